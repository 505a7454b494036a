//! The status of a job, and the ranges of indexes in it (`pkg/apis/batch/validation/validation.go`,
//! `pkg/registry/batch/job/strategy.go`, `getStatusValidationOptions`).
//!
//! Most rules hold only for what a write changes: a rule that was broken before does not stop a write that has nothing to do
//! with it. The invariant: a job that has ended stays ended.

use super::super::at::At;
use super::super::common::non_negative;
use super::super::meta::Change;
use super::super::rules::Seen;
use super::super::same::same;
use super::is_indexed;

/// Whether a condition of that type is true.
fn is(status: &At<'_, '_>, kind: &str) -> bool {
    has(status, kind, "True")
}

fn has(status: &At<'_, '_>, kind: &str, value: &str) -> bool {
    let conditions = status.field("conditions");
    conditions.items().any(|one| one.get_text("type") == kind && one.get_text("status") == value)
}

fn is_finished(status: &At<'_, '_>) -> bool {
    is(status, "Complete") || is(status, "Failed")
}

pub(in super::super) fn job_status(change: &Change<'_, '_>) {
    change.metadata();
    let (status, old) = (change.new.field("status"), change.old.field("status"));
    non_negative(&status, &["active", "succeeded", "failed", "ready", "terminating"]);
    uncounted(&status.field("uncountedTerminatedPods"));
    let spec = change.new.field("spec");
    let turn = Turn::of(&status, &old);
    conditions(&status, &spec, &turn);
    times(&status, &turn, &spec);
    finished(&status, &turn, &spec);
    index_lists(&status, &spec, &turn);
    transitions(&status, &old, &spec);
}

/// What a write of a status changes.
struct Turn<'v, 'c, 'a> {
    status: &'a At<'v, 'c>,
    old: &'a At<'v, 'c>,
}

impl<'v, 'c, 'a> Turn<'v, 'c, 'a> {
    fn of(status: &'a At<'v, 'c>, old: &'a At<'v, 'c>) -> Self {
        Self { status, old }
    }

    fn changed(&self, field: &str) -> bool {
        !same(self.status.get(field), self.old.get(field))
    }

    fn turned(&self, kind: &str) -> bool {
        is(self.status, kind) != is(self.old, kind)
    }

    fn finished(&self) -> bool {
        is_finished(self.status) != is_finished(self.old)
    }
}

/// Every pod is counted once.
fn uncounted(pods: &At<'_, '_>) {
    let mut seen = Seen::new();
    for uid in ["succeeded", "failed"].map(|list| pods.field(list)).iter().flat_map(At::items) {
        if uid.is_empty() {
            uid.invalid_text("must not be empty");
        } else if !seen.insert(uid.text()) {
            uid.duplicate();
        }
    }
}

fn conditions(status: &At<'_, '_>, spec: &At<'_, '_>, turn: &Turn<'_, '_, '_>) {
    let at = status.field("conditions");
    let [complete, failed, target, met] =
        ["Complete", "Failed", "FailureTarget", "SuccessCriteriaMet"].map(|kind| is(status, kind));
    let (now_complete, now_failed) = (turn.turned("Complete"), turn.turned("Failed"));
    let rules: [(bool, &str); 7] = [
        (
            complete && failed && (now_complete || now_failed),
            "cannot set Complete=True and Failed=true conditions",
        ),
        (
            complete && target && (now_complete || turn.turned("FailureTarget")),
            "cannot set Complete=True and FailureTarget=true conditions",
        ),
        (
            failed && !target && (now_failed || turn.changed("failedIndexes")),
            "cannot set Failed=True condition without the FailureTarget=true condition",
        ),
        (
            complete && !met && (now_complete || turn.turned("SuccessCriteriaMet")),
            "cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
        ),
        (met && failed, "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
        (met && target, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        (
            spec.has("successPolicy") && !met && complete,
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
        ),
    ];
    rules.iter().filter(|(broken, _)| *broken).for_each(|(_, rule)| at.invalid_unshown(*rule));
}

fn times(status: &At<'_, '_>, turn: &Turn<'_, '_, '_>, spec: &At<'_, '_>) {
    let (start, end) = (status.field("startTime"), status.field("completionTime"));
    let complete = is(status, "Complete");
    if turn.turned("Complete") || turn.changed("completionTime") {
        match (end.is_set(), complete) {
            (true, false) => {
                end.invalid("cannot set completionTime when there is no Complete=True condition")
            }
            (false, true) => end.required("completionTime is required for Complete jobs"),
            _ => {}
        }
    }
    let changed = turn.changed("startTime") || turn.changed("completionTime");
    // Times are in one form here, so their texts are in order.
    if changed && start.is_set() && end.is_set() && end.text() < start.text() {
        end.invalid("must be equal to or after `startTime`");
    }
    let empty =
        spec.field("suspend").is_true() && spec.has("completions") && spec.field("completions").number() == 0;
    if (turn.finished() || turn.changed("startTime")) && !empty && !start.is_set() && is_finished(status) {
        start.required("startTime is required for finished job");
    }
}

/// Nothing of a job that has ended is left.
fn finished(status: &At<'_, '_>, turn: &Turn<'_, '_, '_>, _: &At<'_, '_>) {
    let ended = is_finished(status);
    let (active, ready) = (status.field("active"), status.field("ready"));
    let (terminating, uncounted) = (status.field("terminating"), status.field("uncountedTerminatedPods"));
    if ended && active.number() > 0 && (turn.finished() || turn.changed("active")) {
        active.invalid_number("active>0 is invalid for finished job");
    }
    let left = uncounted.field("failed").len() + uncounted.field("succeeded").len();
    if ended && left > 0 && (turn.finished() || turn.changed("uncountedTerminatedPods")) {
        uncounted.invalid("must be empty for finished job");
    }
    if ended && terminating.number() > 0 && (turn.finished() || turn.changed("terminating")) {
        terminating.invalid_number("terminating>0 is invalid for finished job");
    }
    if ready.number() > active.number() && (turn.changed("ready") || turn.changed("active")) {
        ready.invalid_number("cannot set more ready pods than active");
    }
}

fn index_lists(status: &At<'_, '_>, spec: &At<'_, '_>, turn: &Turn<'_, '_, '_>) {
    let (done, failed) = (status.field("completedIndexes"), status.field("failedIndexes"));
    let completions = spec.field("completions");
    let (done_changed, failed_changed) = (turn.changed("completedIndexes"), turn.changed("failedIndexes"));
    let parsed = |at: &At<'_, '_>, name: &str| {
        indexes(at.text(), completions.number())
            .inspect_err(|why| at.invalid_text(format!("error parsing {name}: {why}")))
    };
    if done_changed && completions.is_set() {
        _ = parsed(&done, "completedIndexes");
    }
    if failed_changed && completions.is_set() && spec.has("backoffLimitPerIndex") && failed.is_set() {
        _ = parsed(&failed, "failedIndexes");
    }
    if done_changed && !done.is_empty() && !is_indexed(spec) {
        done.invalid_text("cannot set non-empty completedIndexes when non-indexed completion mode");
    }
    if failed_changed && failed.is_set() && !spec.has("backoffLimitPerIndex") {
        failed.invalid_text("cannot set non-null failedIndexes when backoffLimitPerIndex is null");
    }
    if (done_changed || failed_changed)
        && completions.is_set()
        && let Some(index) = overlap(done.text(), failed.text(), completions.number())
    {
        failed.invalid_text(format!("failedIndexes and completedIndexes overlap at index: {index}"));
    }
}

fn transitions(status: &At<'_, '_>, old: &At<'_, '_>, spec: &At<'_, '_>) {
    let conditions = status.field("conditions");
    for kind in ["Failed", "Complete", "FailureTarget"] {
        if is(old, kind) && !is(status, kind) {
            conditions.invalid_unshown(format!("cannot disable the terminal {kind}=True condition"));
        }
    }
    let scales = is_indexed(spec) && spec.get("completions") == spec.get("parallelism");
    for (name, rule) in [
        ("failed", "cannot decrease the failed counter"),
        ("succeeded", "cannot decrease the succeeded counter"),
    ] {
        let count = status.field(name);
        if count.number() < old.field(name).number() && !(scales && name == "succeeded") {
            count.invalid_number(rule);
        }
    }
    let (start, end) = (status.field("startTime"), status.field("completionTime"));
    if end.is_set() && old.has("completionTime") && end.value() != old.get("completionTime") {
        end.invalid("field is immutable");
    }
    let resumes = is(old, "Suspended") && has(status, "Suspended", "False");
    let moved = old.has("startTime") && start.value() != old.get("startTime");
    if moved && !resumes && !spec.field("suspend").is_true() {
        start.invalid("field is immutable for unsuspended job once set");
    }
    let met = is(status, "SuccessCriteriaMet");
    if is(old, "SuccessCriteriaMet") && !met {
        conditions.invalid_unshown("cannot disable the SuccessCriteriaMet=True condition");
    }
    if is(old, "Complete") && !is(old, "SuccessCriteriaMet") && met {
        conditions.invalid_unshown(
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
        );
    }
}

/// Ranges of indexes, such as `0,2-5`, in increasing order and below `completions`.
///
/// # Errors
/// The first fault, in upstream's words.
pub(super) fn indexes(text: &str, completions: i64) -> Result<Vec<(i64, i64)>, String> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = range(part, completions)?;
        if let Some((_, before)) = ranges.last().filter(|(_, before)| *before >= first) {
            return Err(format!("non-increasing order, previous: {before}, current: {first}"));
        }
        ranges.push((first, last));
    }
    Ok(ranges)
}

fn range(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let parts: Vec<&str> = text.split('-').collect();
    if parts.len() > 2 {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts \
             separated by '-'"
        ));
    }
    let number = |part: &str| match part.parse::<i64>() {
        Err(_) => Err(format!("cannot convert string to integer for index: {part:?}")),
        Ok(number) if number >= completions => Err(format!("too large index: {part:?}")),
        Ok(number) => Ok(number),
    };
    let first = number(parts[0])?;
    let Some(last) = parts.get(1) else { return Ok((first, first)) };
    let last = number(last)?;
    if first >= last {
        return Err(format!("non-increasing order, previous: {first}, current: {last}"));
    }
    Ok((first, last))
}

/// The first index in both lists; parts that cannot be read are left out.
fn overlap(one: &str, other: &str, completions: i64) -> Option<i64> {
    let read = |text: &str| -> Vec<(i64, i64)> {
        text.split(',').filter_map(|part| range(part, completions).ok()).collect()
    };
    let (one, other) = (read(one), read(other));
    let (mut ones, mut others) = (one.iter().peekable(), other.iter().peekable());
    while let (Some((a, b)), Some((c, d))) = (ones.peek(), others.peek()) {
        if a <= d && c <= b {
            return Some(*a.max(c));
        }
        if a <= c {
            ones.next()
        } else {
            others.next()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_in_order_and_below_the_completions() {
        assert_eq!(indexes("", 3), Ok(vec![]));
        assert_eq!(indexes("0,2-4", 5), Ok(vec![(0, 0), (2, 4)]));
        for (text, why) in [
            ("x", "cannot convert string to integer for index: \"x\""),
            ("5", "too large index: \"5\""),
            ("3-3", "non-increasing order, previous: 3, current: 3"),
            ("2,1", "non-increasing order, previous: 2, current: 1"),
            (
                "0-1-2",
                "the fragment \"0-1-2\" violates the requirement that an index interval can have at most two \
                       parts separated by '-'",
            ),
        ] {
            assert_eq!(indexes(text, 5), Err(why.to_owned()), "{text}");
        }
    }

    #[test]
    fn no_index_succeeds_and_fails() {
        assert_eq!(overlap("0-3,7", "4,6-8", 10), Some(7));
        assert_eq!(overlap("0-3", "4,6-8", 10), None);
        assert_eq!(overlap("", "4", 10), None);
    }
}
