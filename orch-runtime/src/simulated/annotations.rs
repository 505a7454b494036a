//! Annotations of a pod that say what its containers do: they go before the profile.
//!
//! Names and forms stand in the table of [`simulated`](super). Invariant: a name that means nothing and a value that is
//! malformed are refused, never skipped.

use orch_core::Str;
use orch_core::runtime::{Error, Result};

use super::{Profile, Span};

/// What every annotation of this runtime begins with.
const PREFIX: &str = "sim.orch.local/";
const NAMES: &str = "start-latency, start-fails, pull-latency, pull-fails, runs-for, exit-code, stop-latency, \
    ignores-stop, ready-after, probe-fails, hangs, last-word";

/// What a pod says of pulling the image of a container.
#[derive(Debug, Default, PartialEq)]
pub(super) struct PullAnnotations {
    pub(super) latency: Span,
    pub(super) fails: f64,
}

/// Changes a profile to what the annotations say of that container.
pub(super) fn apply(
    annotations: &[(Str, Str)],
    container: &Str,
    profile: &mut Profile,
) -> Result<PullAnnotations> {
    let mut pull = PullAnnotations::default();
    let ours = || annotations.iter().filter_map(|(key, value)| Some((key, key.strip_prefix(PREFIX)?, value)));
    let of_all = ours().filter(|(_, name, _)| !name.contains('.'));
    // What names the container goes before what is for all.
    let of_one = ours().filter_map(|(key, name, value)| {
        let (name, of) = name.split_once('.')?;
        (of == &**container).then_some((key, name, value))
    });
    for (key, name, value) in of_all.chain(of_one) {
        set(profile, &mut pull, name, value).map_err(|why| Error::Create {
            container: container.clone(),
            why: format!("annotation {key} is {value:?}: {why}"),
        })?;
    }
    Ok(pull)
}

fn set(
    profile: &mut Profile,
    pull: &mut PullAnnotations,
    name: &str,
    value: &Str,
) -> std::result::Result<(), String> {
    match name {
        "start-latency" => profile.start_latency = span(value)?,
        "start-fails" => profile.start_fails = probability(value)?,
        "pull-latency" => pull.latency = span(value)?,
        "pull-fails" => pull.fails = probability(value)?,
        "runs-for" => profile.runs_for = Some(span(value)?),
        "exit-code" => profile.exit_codes = codes(value)?,
        "stop-latency" => profile.stop_latency = span(value)?,
        "ignores-stop" => profile.ignores_stop = probability(value)?,
        "ready-after" => profile.ready_after = span(value)?,
        "probe-fails" => profile.probe_fails = probability(value)?,
        "hangs" => profile.hangs = probability(value)?,
        "last-word" => profile.last_word = Some(value.clone()),
        _ => return Err(format!("there is no such annotation; use one of {NAMES}")),
    }
    Ok(())
}

fn span(text: &str) -> std::result::Result<Span, String> {
    text.parse()
        .map_err(|why| format!("{why}; write a length of time such as 5s or 250ms, or two such as 1s..5s"))
}

fn probability(text: &str) -> std::result::Result<f64, String> {
    let number = match text {
        "true" => Some(1.0),
        "false" => Some(0.0),
        _ => text.parse::<f64>().ok().filter(|number| (0.0..=1.0).contains(number)),
    };
    number.ok_or_else(|| "write a probability from 0 to 1, or true or false".to_owned())
}

fn codes(text: &str) -> std::result::Result<Vec<i32>, String> {
    let code = |text: &str| text.trim().parse::<u8>().ok().map(i32::from);
    let codes: Option<Vec<i32>> = text.split(',').map(code).collect();
    codes.ok_or_else(|| "write an exit code from 0 to 255, or several such as 0,0,1".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(annotations: &[(&str, &str)], container: &str) -> Result<(Profile, PullAnnotations)> {
        let annotations: Vec<(Str, Str)> =
            annotations.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut profile = Profile::default();
        let pull = apply(&annotations, &container.into(), &mut profile)?;
        Ok((profile, pull))
    }

    #[track_caller]
    fn check(name: &str, value: &str, expected: &Profile) {
        let (profile, _) = read(&[(&format!("{PREFIX}{name}"), value)], "main").unwrap();
        assert_eq!(profile, *expected);
    }

    #[test]
    fn each_annotation_sets_what_it_names() {
        let (secs, profile) = (Duration::from_secs, Profile::default);
        check("start-latency", "1s..5s", &profile().start_latency(secs(1)..secs(5)));
        check("start-fails", "0.5", &profile().start_fails(0.5));
        check("runs-for", "5s", &profile().runs_for(secs(5)));
        check("exit-code", "3", &profile().exit_codes([3]));
        check("exit-code", "0, 137", &profile().exit_codes([0, 137]));
        check("stop-latency", "250ms", &profile().stop_latency(Duration::from_millis(250)));
        check("ignores-stop", "true", &profile().ignores_stop(1.0));
        check("ready-after", "2s", &profile().ready_after(secs(2)));
        check("probe-fails", "1", &profile().probe_fails(1.0));
        check("hangs", "false", &profile());
        check("last-word", "no more disk", &profile().last_word("no more disk"));
        let (_, pull) =
            read(&[("sim.orch.local/pull-fails", "1"), ("sim.orch.local/pull-latency", "1s")], "main")
                .unwrap();
        assert_eq!(pull, PullAnnotations { latency: secs(1).into(), fails: 1.0 });
    }

    #[test]
    fn what_names_the_container_goes_first() {
        let annotations = [
            ("sim.orch.local/exit-code.main", "3"),
            ("sim.orch.local/exit-code", "4"),
            ("sim.orch.local/exit-code.other", "5"),
            ("sim.orch.local/hangs.third", "nonsense for another container"),
            ("example.com/exit-code", "6"),
        ];
        for (container, code) in [("main", 3), ("other", 5), ("side", 4)] {
            assert_eq!(read(&annotations, container).unwrap().0.exit_codes, [code]);
        }
    }

    #[track_caller]
    fn refused(name: &str, value: &str, remedy: &str) {
        let error = read(&[(name, value)], "main").unwrap_err();
        assert!(matches!(error, Error::Create { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(value) && text.contains(remedy), "{text}");
    }

    #[test]
    fn what_is_malformed_is_refused_with_the_remedy() {
        refused("sim.orch.local/runs-for", "5", "write a length of time such as 5s");
        refused("sim.orch.local/runs-for.main", "5s..1s", "ends before it begins");
        refused("sim.orch.local/start-fails", "1.5", "write a probability");
        refused("sim.orch.local/start-fails", "NaN", "write a probability");
        refused("sim.orch.local/exit-code", "256", "write an exit code");
        refused("sim.orch.local/exit-code", "", "write an exit code");
        refused("sim.orch.local/run-for", "5s", "use one of start-latency");
    }
}
