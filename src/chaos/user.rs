//! Users: they write through the Api as everybody does, and try again for a while when it does not answer.

use std::time::Duration;

use orch_core::{Api, Error, Live, Result, Write, WriteOutcome};

use super::Step;
use super::hub::{ACTOR, Hub};

/// The name of a user in traces.
const USER: &str = "user";
/// First wait before another try, doubled each time, and how many tries.
const RETRY: (Duration, u32) = (Duration::from_millis(100), 8);

/// Does a step.
pub(super) async fn act(hub: &Hub, api: &dyn Api, step: &Step) {
    hub.note(USER, &step.what);
    let writes = hub.with_truth(|truth| step.writes(truth));
    write_all(hub, api, &step.what, writes).await;
}

/// Does writes one after the other; what is refused is noted.
pub(super) async fn write_all(hub: &Hub, api: &dyn Api, why: &str, writes: Vec<Write>) {
    for write in writes {
        let (key, named) = (write.key.clone(), write.precondition.clone());
        match insist(hub, api, write).await {
            Ok(live) => hub.acknowledged(USER, &live, &named),
            Err(error) => hub.note(USER, &format!("{why}: {key} refused: {error}")),
        }
    }
}

async fn insist(hub: &Hub, api: &dyn Api, write: Write) -> Result<Live> {
    let mut wait = RETRY.0;
    let mut tries = 1;
    loop {
        let mut answers = ACTOR.scope(USER.into(), api.write(vec![write.clone()])).await;
        let answer = answers.pop().unwrap_or_else(|| Err(Error::OutcomeUnknown { key: write.key.clone() }));
        let again = match &answer {
            Err(error) => {
                error.outcome() == WriteOutcome::Unknown
                    || matches!(error, Error::Unavailable { .. } | Error::TooManyRequests { .. })
            }
            Ok(_) => false,
        };
        if !again || tries == RETRY.1 {
            return answer;
        }
        tries += 1;
        hub.env().sleep(wait).await;
        wait *= 2;
    }
}
