//! Expressions of policies and of conditions: whether they compile (`admission/plugin/cel/compile.go`).
//!
//! What they look at has any type here: what a request or an object does not have is found when an expression is asked.

use super::super::at::{At, quote};
use crate::cel::{Expected, refused};

/// What an expression may name besides the request and its objects.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Names {
    pub(super) params: bool,
    pub(super) authorizer: bool,
    pub(super) variables: bool,
}

impl Names {
    fn all(self) -> Vec<&'static str> {
        let more = [(self.params, "params"), (self.authorizer, "authorizer"), (self.variables, "variables")];
        let more = more.into_iter().filter(|(has, _)| *has).map(|(_, name)| name);
        ["object", "oldObject", "namespaceObject", "request"].into_iter().chain(more).collect()
    }
}

/// Reports an expression that does not compile; one that is not there is nobody's concern here.
pub(super) fn compiles(expression: &At<'_, '_>, names: Names, expected: Expected) {
    if !expression.text().trim().is_empty()
        && let Some(why) = refused(expression.text(), &names.all(), expected)
    {
        expression.invalid_text(why);
    }
}

/// The same of an expression whose blanks around it are left out before anything else.
pub(super) fn compiles_trimmed(expression: &At<'_, '_>, names: Names, expected: Expected) {
    let text = expression.text().trim();
    if !text.is_empty()
        && let Some(why) = refused(text, &names.all(), expected)
    {
        expression.invalid_as(quote(text), why);
    }
}
