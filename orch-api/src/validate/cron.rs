//! Cron schedules, as far as it must be known whether one is valid and what to say if not.
//!
//! The language and the words are those of the parser that upstream uses (`github.com/robfig/cron/v3`, `parser.go`): five
//! fields, or a descriptor. Not a calendar: when a schedule is due next is not asked here.

/// The values that a field may have, and their names.
struct Bounds {
    min: u64,
    max: u64,
    names: &'static [&'static str],
}

/// The fields in their order.
const FIELDS: [Bounds; 5] = [
    Bounds { min: 0, max: 59, names: &[] },
    Bounds { min: 0, max: 23, names: &[] },
    Bounds { min: 1, max: 31, names: &[] },
    Bounds {
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Bounds { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const DESCRIPTORS: &[&str] =
    &["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// Whether the text is a schedule.
///
/// # Errors
/// Why not, in upstream's words.
pub(super) fn schedule(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("empty spec string".to_owned());
    }
    let text = without_zone(text)?;
    if text.starts_with('@') {
        return descriptor(text);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let found = fields.join(" ");
        return Err(format!("expected exactly 5 fields, found {}: [{found}]", fields.len()));
    }
    fields.iter().zip(&FIELDS).try_for_each(|(text, bounds)| field(text, bounds))
}

/// What follows a time zone; the caller refuses zones with words of its own.
fn without_zone(text: &str) -> Result<&str, String> {
    if !text.starts_with("TZ=") && !text.starts_with("CRON_TZ=") {
        return Ok(text);
    }
    // Upstream's parser panics here and the panic is what the user is told.
    let (_, rest) = text
        .split_once(' ')
        .ok_or_else(|| "invalid schedule format: runtime error: slice bounds out of range".to_owned())?;
    Ok(rest.trim())
}

fn descriptor(text: &str) -> Result<(), String> {
    if DESCRIPTORS.contains(&text) {
        return Ok(());
    }
    match text.strip_prefix("@every ") {
        Some(duration) if is_duration(duration) => Ok(()),
        Some(duration) => {
            Err(format!("failed to parse duration {text}: time: invalid duration \"{duration}\""))
        }
        None => Err(format!("unrecognized descriptor: {text}")),
    }
}

/// A duration as Go writes it, for example `1h30m`.
fn is_duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let mut found = false;
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, after) = rest.split_at(number);
        let unit = ["ns", "us", "µs", "ms", "h", "m", "s"].into_iter().find(|unit| after.starts_with(unit));
        let valid = digits.bytes().any(|byte| byte.is_ascii_digit())
            && digits.bytes().filter(|byte| *byte == b'.').count() < 2;
        let Some(unit) = unit.filter(|_| valid) else { return false };
        rest = &after[unit.len()..];
        found = true;
    }
    found
}

fn field(text: &str, bounds: &Bounds) -> Result<(), String> {
    text.split(',').filter(|part| !part.is_empty()).try_for_each(|part| range(part, bounds))
}

/// `N`, `N-M`, `*`, each with an optional `/step`.
fn range(text: &str, bounds: &Bounds) -> Result<(), String> {
    let parts: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = parts[0].split('-').collect();
    let (start, mut end) = match ends[..] {
        ["*" | "?", ..] => (bounds.min, bounds.max),
        [one] => {
            let one = number(one, bounds.names)?;
            (one, one)
        }
        [start, end] => (number(start, bounds.names)?, number(end, bounds.names)?),
        _ => {
            number(ends[0], bounds.names)?;
            return Err(format!("too many hyphens: {text}"));
        }
    };
    let step = match parts[..] {
        [_] => 1,
        [_, step] => {
            let step = number(step, &[])?;
            if ends.len() == 1 {
                end = bounds.max;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    let Bounds { min, max, .. } = *bounds;
    if start < min {
        Err(format!("beginning of range ({start}) below minimum ({min}): {text}"))
    } else if end > max {
        Err(format!("end of range ({end}) above maximum ({max}): {text}"))
    } else if start > end {
        Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"))
    } else if step == 0 {
        Err(format!("step of range should be a positive number: {text}"))
    } else {
        Ok(())
    }
}

fn number(text: &str, names: &[&str]) -> Result<u64, String> {
    if let Some(at) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        // Months begin with one, days of the week with zero.
        let first = u64::from(names.len() == 12);
        return Ok(u64::try_from(at).unwrap_or_default() + first);
    }
    match text.parse::<i64>() {
        Ok(number) => {
            u64::try_from(number).map_err(|_| format!("negative number ({number}) not allowed: {text}"))
        }
        Err(_) => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let why = if is_number { "value out of range" } else { "invalid syntax" };
            Err(format!("failed to parse int from {text}: strconv.Atoi: parsing \"{text}\": {why}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(schedule(text).err().unwrap_or_default(), expected, "{text}");
    }

    #[test]
    fn schedules_are_five_fields_or_a_descriptor() {
        for valid in [
            "* * * * *",
            "*/5 0-23/2 1,15 jan-DEC mon-fri",
            "0 0 ? * 0",
            "59 23 31 12 6",
            "5/10 * * * *",
            "@hourly",
            "@every 1h30m",
            "  1   2 3 4 5 ",
        ] {
            check(valid, "");
        }
        check("nope", "expected exactly 5 fields, found 1: [nope]");
        check("* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]");
        check("@often", "unrecognized descriptor: @often");
        check("@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\"");
        check("60 * * * *", "end of range (60) above maximum (59): 60");
        check("* * 0 * *", "beginning of range (0) below minimum (1): 0");
        check("9-3 * * * *", "beginning of range (9) beyond end of range (3): 9-3");
        check("*/0 * * * *", "step of range should be a positive number: */0");
        check("1-2-3 * * * *", "too many hyphens: 1-2-3");
        check("1/2/3 * * * *", "too many slashes: 1/2/3");
        check("x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax");
        check("/ * * * *", "failed to parse int from : strconv.Atoi: parsing \"\": invalid syntax");
    }
}
