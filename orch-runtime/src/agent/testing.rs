//! What the agent's tests share.

use orch_core::{Live, Object, Registry, Revision};
use serde_json::Value;

use super::pod::Pod;

/// An object as a store has it, at revision 1.
#[expect(clippy::needless_pass_by_value, reason = "called with trees made in place")]
pub(super) fn object(tree: Value) -> Object {
    let text = |field: &str| tree[field].as_str().unwrap_or_default().to_owned();
    let info = Registry::built_in().by_api_version(&text("apiVersion"), &text("kind")).unwrap();
    Object::encode(&info, &tree).unwrap().at(Revision(1))
}

/// A pod; apiVersion and kind may be left out.
pub(super) fn pod(mut tree: Value) -> Pod {
    tree["apiVersion"] = "v1".into();
    tree["kind"] = "Pod".into();
    Pod::read(&Live::from(object(tree)), None).unwrap()
}
