//! Says of one pod how every node looks to it, without deciding anything.

use orch_core::Key;
use orch_core::scheduler::Explanation;

use super::FrameworkScheduler;
use super::lens::{Lens, Misfit, Outline};

impl FrameworkScheduler {
    /// How the nodes, or one of them, look to a pod. A pod that counts on a node is looked at as if it did not.
    pub(super) fn account(&self, key: &Key, node: Option<&str>) -> Explanation {
        let nodes = self.cluster.len();
        let Some(id) = self.cluster.pod_id(key) else {
            return Misfit::overall(nodes, 0, format!("{key} is not known, or has ended")).explanation;
        };
        let mut cluster = self.cluster.clone();
        cluster.unplace(id);
        cluster.renounce(id);
        let pod = cluster.pod(id).clone();
        let outline = match Outline::new(&self.plugins, &pod) {
            Ok(outline) => outline,
            Err(refused) => return Misfit::refused(nodes, &refused).explanation,
        };
        let lens = Lens { plugins: &self.plugins, outline: &outline, pod: &pod, seed: self.options.seed };
        let looked_at: Vec<_> = match node {
            Some(name) => cluster.find(name).into_iter().collect(),
            None => cluster.nodes().map(|node| node.id()).collect(),
        };
        let only = outline.few(&cluster);
        let (inside, outside): (Vec<_>, Vec<_>) =
            looked_at.iter().partition(|node| only.as_ref().is_none_or(|only| only.contains(node)));
        let survey = lens.survey(&mut cluster, inside);
        let mut explanation = survey.misfit(&lens, &cluster).explanation;
        explanation.detail = survey.detail(&lens, &cluster);
        if node.is_some() {
            explanation.nodes = looked_at.len();
            if outside.is_empty() {
                explanation
                    .reasons
                    .retain(|reason, _| !reason.starts_with("node(s) didn't satisfy plugin(s)"));
            }
        }
        explanation
    }
}
