//! What functions may return: how a container ends and what a command leaves.
//!
//! Conversions only. Invariant: a failure is never code 0.

use std::fmt::Display;

use orch_core::runtime::ExecOutput;

use super::Context;

/// What a container's function may return.
///
/// Nothing means exit code 0, a number is the exit code, an error is 1 and a line on standard error.
pub trait Termination {
    /// The exit code; what there is to say goes to the container's log.
    fn report(self, context: &Context) -> i32;
}

impl Termination for () {
    fn report(self, _context: &Context) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn report(self, _context: &Context) -> i32 {
        self
    }
}

/// What a function pointer returns: the only stable way to name the type `!`, which functions that loop for ever return.
pub trait Returned {
    /// The type.
    type Type;
}

impl<T> Returned for fn() -> T {
    type Type = T;
}

impl Termination for <fn() -> ! as Returned>::Type {
    fn report(self, _context: &Context) -> i32 {
        match self {}
    }
}

impl<T: Termination, E: Display> Termination for Result<T, E> {
    fn report(self, context: &Context) -> i32 {
        match self {
            Ok(done) => done.report(context),
            Err(error) => {
                context.log_error(&format!("Error: {error}"));
                1
            }
        }
    }
}

/// What a command's function may return.
///
/// Nothing means exit code 0, a number is the exit code, a text is standard output with code 0, an error is code 1 with
/// its text on standard error.
pub trait Answer {
    /// Exit code and output.
    fn answer(self) -> ExecOutput;
}

impl Answer for ExecOutput {
    fn answer(self) -> ExecOutput {
        self
    }
}

impl Answer for () {
    fn answer(self) -> ExecOutput {
        ExecOutput::default()
    }
}

impl Answer for i32 {
    fn answer(self) -> ExecOutput {
        ExecOutput { code: self, ..ExecOutput::default() }
    }
}

impl Answer for String {
    fn answer(self) -> ExecOutput {
        ExecOutput { stdout: self.into_bytes(), ..ExecOutput::default() }
    }
}

impl Answer for &str {
    fn answer(self) -> ExecOutput {
        self.to_owned().answer()
    }
}

impl<T: Answer, E: Display> Answer for Result<T, E> {
    fn answer(self) -> ExecOutput {
        match self {
            Ok(done) => done.answer(),
            Err(error) => {
                ExecOutput { code: 1, stderr: error.to_string().into_bytes(), ..ExecOutput::default() }
            }
        }
    }
}
