//! Commands in containers: those that an image registers, and a few that every image has.
//!
//! There is no shell. Invariant: a command ends with its container, and with the call that began it.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use futures::FutureExt;
use orch_core::runtime::{Error, ExecOutput, Result};
use orch_core::{Str, Task};

use super::container::Container;
use super::{Answer, Context};

/// Bytes kept of each stream (`maxRespBodyLength` of probes is less; CRI's streaming bound is 16 MiB a message).
const MAX_OUTPUT: usize = 10 * 1024 * 1024;
/// As a shell says when there is no such command.
const NO_SUCH_COMMAND: i32 = 127;
/// As from SIGKILL: the container ended first.
const KILLED: i32 = 137;
/// As from SIGABRT.
const PANICKED: i32 = 134;

/// Runs a command to its end; it is killed when it takes longer than `limit` or nobody waits for it any more.
pub(super) async fn exec(container: &Container, argv: &[Str], limit: Duration) -> Result<ExecOutput> {
    if container.has_ended() {
        return Err(Error::NotRunning { id: container.id.0.clone() });
    }
    let (context, image, argv) = (container.context.clone(), container.built.image.clone(), argv.to_vec());
    let program = argv.first().cloned().unwrap_or_default();
    let name = program.clone();
    let future = async move {
        let Some(command) = image.command(&program) else { return built_in(&context, &argv).await };
        let run = std::panic::AssertUnwindSafe(async { command(context.clone(), argv).await });
        let died = |_| ExecOutput { code: PANICKED, stderr: b"panicked".to_vec(), ..ExecOutput::default() };
        run.catch_unwind().await.unwrap_or_else(died)
    };
    let mut task = Killed(container.context.spawn(future));
    let Some(answer) = container.context.env().timeout(limit, &mut task.0).await else {
        return Err(Error::Timeout { what: format!("command {name:?}").into(), limit });
    };
    let mut output = answer.unwrap_or(ExecOutput { code: KILLED, ..ExecOutput::default() });
    output.stdout.truncate(MAX_OUTPUT);
    output.stderr.truncate(MAX_OUTPUT);
    Ok(output)
}

/// A task that ends when it is dropped.
struct Killed(Task<ExecOutput>);

impl Drop for Killed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The commands that every image has.
async fn built_in(context: &Context, argv: &[Str]) -> ExecOutput {
    let words: Vec<&str> = argv.iter().map(|word| &**word).collect();
    match &words[..] {
        ["true", ..] => 0.answer(),
        ["false", ..] => 1.answer(),
        ["echo", words @ ..] => format!("{}\n", words.join(" ")).answer(),
        ["hostname"] => format!("{}\n", context.hostname()).answer(),
        ["env"] => env(context).answer(),
        ["cat", paths @ ..] => cat(context, paths),
        ["test", "-e" | "-f" | "-d", path] => i32::from(!context.0.files.exists(Path::new(path))).answer(),
        ["sleep", duration] => sleep(context, duration).await,
        [program, ..] => fail(NO_SUCH_COMMAND, &format!("exec: {program:?}: executable file not found")),
        [] => fail(NO_SUCH_COMMAND, "exec: no command"),
    }
}

fn env(context: &Context) -> String {
    context.vars().into_iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}={value}");
        text
    })
}

fn cat(context: &Context, paths: &[&str]) -> ExecOutput {
    let mut output = ExecOutput::default();
    for path in paths {
        match context.read(path) {
            Ok(bytes) => output.stdout.extend(bytes),
            Err(error) => {
                output.code = 1;
                output.stderr.extend(format!("cat: {path}: {error}\n").into_bytes());
            }
        }
    }
    output
}

async fn sleep(context: &Context, text: &str) -> ExecOutput {
    let Some(duration) = duration(text) else { return fail(1, &format!("sleep: invalid number {text:?}")) };
    context.sleep(duration).await;
    0.answer()
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

fn fail(code: i32, text: &str) -> ExecOutput {
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
