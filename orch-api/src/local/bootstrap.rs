//! What a cluster has from its first moment: four namespaces, two classes of priority, and the addresses in use.

use orch_core::{Api, Error, Object, Read, Result, Select, Write, kind};
use serde_json::json;

use super::{LocalApi, definitions};
use crate::tree::{Get, Tree};

/// `pkg/controlplane/controller/systemnamespaces` and the default namespace.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Name, value, description (`pkg/apis/scheduling/types.go`).
pub(super) const SYSTEM_CLASSES: [(&str, i64, &str); 2] = [
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
];

impl LocalApi {
    /// Makes what every cluster has, unless it is there, and takes the addresses that stored services hold. Call it before
    /// anything else, on a store that is new or not.
    ///
    /// # Errors
    /// What the store says; some of it may be done then, and may be done again.
    pub async fn bootstrap(&self) -> Result<()> {
        self.load_services().await?;
        definitions::load(self).await?;
        super::quota::begin(self).await?;
        let classes = SYSTEM_CLASSES.iter().map(|(name, value, description)| {
            let tree = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": value,
                "description": description, "metadata": {"name": name}});
            Write::create_tree(kind::PRIORITY_CLASSES, tree)
        });
        make_absent(self, namespaces().chain(classes).collect()).await
    }

    async fn load_services(&self) -> Result<()> {
        let page = self.list(&Select::kind(kind::SERVICES), None, 0).await?;
        let specs: Vec<Tree> = page.items.iter().filter_map(spec).collect();
        self.shared.services.rebuild(&specs);
        Ok(())
    }
}

fn namespaces() -> impl Iterator<Item = Write> {
    NAMESPACES.iter().map(|name| {
        let tree = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        Write::create_tree(kind::NAMESPACES, tree)
    })
}

/// Makes the namespaces of the system, unless they are there.
///
/// # Errors
/// What the Api says.
#[cfg(feature = "rest")]
pub(crate) async fn make_namespaces(api: &dyn Api) -> Result<()> {
    make_absent(api, namespaces().collect()).await
}

/// Makes objects, unless they are there.
///
/// # Errors
/// What the Api says; some may be there then.
pub(crate) async fn make_absent(api: &dyn Api, all: Vec<Write>) -> Result<()> {
    for answer in api.write(all).await {
        match answer {
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn spec(object: &Object) -> Option<Tree> {
    object.body_tree().object_at("spec").cloned()
}
