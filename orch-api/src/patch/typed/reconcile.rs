//! Sets that were written when a type was another (`structured-merge-diff/typed/reconcile_schema.go`): what is one thing now
//! is owned as one.

use super::{Parts, Rule, Shape};
use crate::patch::fields::{Element, FieldSet};

/// The set as the type is now; `None` when it is that already.
pub(crate) fn reconcile(set: &FieldSet, shape: Shape<'_>) -> Option<FieldSet> {
    let mut whole = FieldSet::default();
    find(set, shape, &mut Vec::new(), &mut whole);
    (!whole.is_empty()).then(|| set.without_under(&whole).union(&whole))
}

/// Collects the fields that are one thing and have owned fields below.
fn find<'e>(set: &'e FieldSet, shape: Shape<'_>, path: &mut Vec<&'e Element>, whole: &mut FieldSet) {
    let rule = shape.rule(None);
    let is_whole = match &rule {
        // Types that are not known have no atomic maps to become.
        Rule::Map(_) if matches!(shape, Shape::Deduced | Shape::Atomic) => return,
        Rule::Map(rule) => rule.is_atomic,
        Rule::List(rule) => rule.parts == Parts::Atomic,
        Rule::Scalar(_) => return,
    };
    if is_whole {
        return whole.insert(&path.iter().map(|element| (*element).clone()).collect::<Vec<_>>());
    }
    for (element, child) in set.children() {
        let below = match (&rule, element) {
            (Rule::Map(rule), Element::Field(name)) => rule.field(name),
            (Rule::List(rule), _) => Some(rule.item),
            _ => None,
        };
        if let Some(below) = below {
            path.push(element);
            find(child, below, path, whole);
            path.pop();
        }
    }
}
