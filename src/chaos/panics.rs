//! Panics of the parts of a run: a task that panics ends silently, so that a run asks here.
//!
//! Counts only on the thread of the run; other threads' panics go their usual way.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    /// What panicked on this thread, while a run is under way on it.
    static CAUGHT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// While it is alive, panics of this thread are noted and not printed.
pub(super) struct Catch(());

impl Catch {
    pub(super) fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let noted = CAUGHT
                    .with_borrow_mut(|caught| caught.as_mut().map(|caught| caught.push(info.to_string())));
                if noted.is_none() {
                    usual(info);
                }
            }));
        });
        CAUGHT.set(Some(Vec::new()));
        Self(())
    }

    /// The first panic so far.
    #[expect(clippy::unused_self, reason = "only who catches may ask")]
    pub(super) fn first(&self) -> Option<String> {
        CAUGHT.with_borrow(|caught| caught.as_ref().and_then(|caught| caught.first().cloned()))
    }
}

impl Drop for Catch {
    fn drop(&mut self) {
        CAUGHT.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_in_a_task_is_noted() {
        let catch = Catch::begin();
        assert_eq!(catch.first(), None);
        let _ = panic::catch_unwind(|| panic!("so much for that"));
        assert!(catch.first().unwrap().contains("so much for that"));
    }
}
