//! The commands that every container has.
//!
//! There is no shell. Invariant: a command only reads, and ends when its future is dropped.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use orch_core::runtime::ExecOutput;
use orch_core::{Env, Str};

use super::files::Files;

/// As a shell says when there is no such command.
const NO_SUCH_COMMAND: i32 = 127;

/// Bytes kept of each stream (`maxRespBodyLength` of probes is less; CRI's streaming bound is 16 MiB a message).
const MAX_OUTPUT: usize = 10 * 1024 * 1024;

/// What a command sees of its container.
pub(crate) struct Surroundings<'a> {
    pub(crate) env: &'a Env,
    pub(crate) hostname: &'a str,
    pub(crate) variables: &'a [(Str, Str)],
    pub(crate) files: &'a Files,
}

impl Surroundings<'_> {
    /// Runs a command to its end.
    pub(crate) async fn run(&self, argv: &[Str]) -> ExecOutput {
        let words: Vec<&str> = argv.iter().map(|word| &**word).collect();
        match &words[..] {
            ["true", ..] => ends(0),
            ["false", ..] => ends(1),
            ["echo", words @ ..] => says(format!("{}\n", words.join(" "))),
            ["hostname"] => says(format!("{}\n", self.hostname)),
            ["env"] => says(self.env()),
            ["cat", paths @ ..] => self.cat(paths),
            ["test", "-e" | "-f" | "-d", path] => ends(i32::from(!self.files.exists(Path::new(path)))),
            ["sleep", duration] => self.sleep(duration).await,
            [program, ..] => fail(NO_SUCH_COMMAND, &format!("exec: {program:?}: executable file not found")),
            [] => fail(NO_SUCH_COMMAND, "exec: no command"),
        }
    }

    fn env(&self) -> String {
        let variables = super::variables(self.variables, self.hostname);
        variables.into_iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}={value}");
            text
        })
    }

    fn cat(&self, paths: &[&str]) -> ExecOutput {
        let mut output = ExecOutput::default();
        for path in paths {
            match self.files.read(Path::new(path)) {
                Ok(bytes) => output.stdout.extend(bytes),
                Err(error) => {
                    output.code = 1;
                    output.stderr.extend(format!("cat: {path}: {error}\n").into_bytes());
                }
            }
        }
        output
    }

    async fn sleep(&self, text: &str) -> ExecOutput {
        let Some(duration) = duration(text) else {
            return fail(1, &format!("sleep: invalid number {text:?}"));
        };
        self.env.sleep(duration).await;
        ends(0)
    }
}

/// Seconds, with a unit or without.
fn duration(text: &str) -> Option<Duration> {
    if text == "infinity" {
        return Some(Duration::MAX);
    }
    let unit = text.bytes().last().filter(u8::is_ascii_alphabetic);
    let factor = match unit {
        None | Some(b's') => 1.0,
        Some(b'm') => 60.0,
        Some(b'h') => 3600.0,
        Some(b'd') => 86400.0,
        Some(_) => return None,
    };
    let number = &text[..text.len() - usize::from(unit.is_some())];
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}

fn ends(code: i32) -> ExecOutput {
    ExecOutput { code, ..ExecOutput::default() }
}

fn says(text: String) -> ExecOutput {
    ExecOutput { stdout: text.into_bytes(), ..ExecOutput::default() }
}

/// What is kept of what a command left.
pub(crate) fn bounded(mut output: ExecOutput) -> ExecOutput {
    output.stdout.truncate(MAX_OUTPUT);
    output.stderr.truncate(MAX_OUTPUT);
    output
}

/// What a command leaves that ends with an error.
pub(crate) fn fail(code: i32, text: &str) -> ExecOutput {
    ExecOutput { code, stderr: format!("{text}\n").into_bytes(), ..ExecOutput::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<f64>) {
        assert_eq!(duration(text), expected.map(Duration::from_secs_f64));
    }

    #[test]
    fn sleep_takes_what_coreutils_takes() {
        check("2", Some(2.0));
        check("0.5", Some(0.5));
        check("3s", Some(3.0));
        check("1.5m", Some(90.0));
        check("2h", Some(7200.0));
        check("1d", Some(86400.0));
        check("-1", None);
        check("x", None);
        check("1x", None);
        check("", None);
        check("nan", None);
        assert_eq!(duration("infinity"), Some(Duration::MAX));
    }
}
