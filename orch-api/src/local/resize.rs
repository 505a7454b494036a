//! Before a pod that runs is resized: whether its node could give it that
//! (`plugin/pkg/admission/podresize/admission.go`).
//!
//! Not the features that a node declares (`NodeDeclaredFeatureValidator`). Invariant: a pod without a node may ask for
//! anything that its namespace allows.

use orch_core::{Key, Live, Quantity, Result, kind};

use super::batch::Of;
use super::facts::Facts;
use crate::amounts::{self, Amounts};
use crate::tree::Get;

const OS: &str = "kubernetes.io/os";

impl Of<'_> {
    pub(super) async fn admit_resize(&self, stored: &Live, new: &Live, facts: &mut Facts<'_>) -> Result<()> {
        if new.header().generation == stored.header().generation {
            return Ok(());
        }
        let tree = new.tree();
        self.within_limits(&tree, facts).await?;
        let Some(name) = new.field("spec.nodeName").filter(|name| !name.is_empty()) else { return Ok(()) };
        let node = facts.find(&Key::cluster(kind::NODES, name)).await?;
        let node = node.ok_or_else(|| self.forbidden(format!("node {name:?} not found")))?;
        if let Some(os) = node.label(OS).filter(|os| *os != "linux") {
            let why = format!("pod resize is only supported on linux nodes, node {name:?} is {os:?}");
            return Err(self.forbidden(why));
        }
        let (spec, node) = (tree.at("spec").cloned().unwrap_or_default(), node.tree());
        let allocatable = amounts::of(node.at("status").and_then(|status| status.at("allocatable")));
        match short(&amounts::of_pod(&spec, "requests"), &allocatable).as_slice() {
            [] => Ok(()),
            all => {
                let why = "node didn't have enough allocatable resources";
                Err(self.forbidden(format!("{why}: {}", all.join("; "))))
            }
        }
    }
}

/// What is asked for beyond what there is.
fn short(asked: &Amounts<'_>, allocatable: &Amounts<'_>) -> Vec<String> {
    type Shown = fn(Quantity) -> String;
    let resources: [(&str, Shown); 2] =
        [("cpu", |amount| amount.milli_value().to_string()), ("memory", |amount| amount.value().to_string())];
    let mut all = Vec::new();
    for (name, shown) in resources {
        let of = |amounts: &Amounts<'_>| amounts.get(name).copied().unwrap_or(Quantity::ZERO);
        let (asked, there) = (of(asked), of(allocatable));
        if asked > there {
            all.push(format!("{name}, requested: {}, allocatable: {}", shown(asked), shown(there)));
        }
    }
    all
}
