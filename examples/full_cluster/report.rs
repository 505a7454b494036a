//! Steps: each is checked, timed and printed, or collected as JSON.

use std::future::Future;
use std::time::Instant;

use anyhow::Result;
use serde_json::{Value, json};

/// The steps so far.
pub struct Report {
    as_json: bool,
    steps: Vec<Value>,
    ok: bool,
}

impl Report {
    /// Nothing yet.
    pub fn new(as_json: bool) -> Self {
        Self { as_json, steps: Vec::new(), ok: true }
    }

    /// Runs one step. Its answer is printed behind its time; an error makes the whole report fail. Later steps are skipped
    /// once one has failed: they stand on it.
    pub async fn step(&mut self, name: &str, body: impl Future<Output = Result<String>>) {
        if !self.ok {
            return;
        }
        let began = Instant::now();
        let result = body.await;
        let seconds = began.elapsed().as_secs_f64();
        let (ok, detail) = match &result {
            Ok(detail) => (true, detail.clone()),
            Err(error) => (false, format!("{error:#}")),
        };
        self.ok &= ok;
        if self.as_json {
            self.steps.push(json!({"step": name, "ok": ok, "seconds": seconds, "detail": detail}));
        } else {
            println!("{} {name:<44} {seconds:>8.3} s   {detail}", if ok { "ok    " } else { "FAILED" });
        }
    }

    /// Prints what is left to print; whether every step held.
    pub fn finish(self) -> bool {
        if self.as_json {
            println!("{}", json!({"ok": self.ok, "steps": self.steps}));
        } else {
            println!("{}", if self.ok { "every step held" } else { "a step failed" });
        }
        self.ok
    }
}
