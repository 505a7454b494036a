//! What users do: steps at their times, drawn from the seed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orch_core::{Env, Write};

use super::Truth;

/// Makes writes from what is true at that time.
type Act = Arc<dyn Fn(&Truth) -> Vec<Write> + Send + Sync>;

/// Something that a user does at a time. What it writes is decided then, from what is true.
///
/// ```
/// use std::time::Duration;
/// use orch::chaos::Step;
/// use orch::core::{Key, Write, kind};
/// let web = Key::new(kind::DEPLOYMENTS, "shop", "web");
/// let step = Step::new(Duration::from_secs(3), "scale web to 5", move |_| {
///     vec![Write::merge(web.clone(), serde_json::json!({"spec": {"replicas": 5}}))]
/// });
/// assert_eq!(step.to_string(), "3s: scale web to 5");
/// ```
#[derive(Clone)]
pub struct Step {
    /// When, since the beginning.
    pub at: Duration,
    /// What, in words.
    pub what: String,
    act: Act,
}

impl Step {
    /// A step; the writes are made one after the other, each tried again for a while when the cluster does not answer.
    pub fn new(
        at: Duration,
        what: impl Into<String>,
        act: impl Fn(&Truth) -> Vec<Write> + Send + Sync + 'static,
    ) -> Self {
        Self { at, what: what.into(), act: Arc::new(act) }
    }

    /// What it writes now.
    #[must_use]
    pub fn writes(&self, truth: &Truth) -> Vec<Write> {
        (self.act)(truth)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.at, self.what)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What users do in a run.
///
/// # To ensure correctness
/// The steps follow from the environment's random stream alone. After [`Workload::repair`] the cluster must be able to
/// converge: what users hold back (finalizers of their own, taints, broken images, pods that can fit nowhere) is lifted.
pub trait Workload: Send {
    /// The steps of a run, those in the first moments included, in order of time, all before `span`.
    fn draw(&mut self, env: &Env, span: Duration) -> Vec<Step>;

    /// What users do when faults are over, given what is true. They are asked again now and then, and at last once everything
    /// has converged: as long as they answer anything the cluster need not be quiet.
    fn repair(&mut self, truth: &Truth) -> Vec<Write>;

    /// Whether everything that users want is there, beyond what invariants ask for.
    ///
    /// # Errors
    /// What is missing.
    fn satisfied(&mut self, _truth: &Truth) -> Result<(), String> {
        Ok(())
    }
}
