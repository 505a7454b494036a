//! The suite that every [`Store`](orch_core::Store) passes.
//!
//! One public function a guarantee, named after it; [`store_conformance!`](crate::store_conformance) makes each a test of
//! its own. What the suite does not state, no caller may rely on. After the storage suite of Kubernetes
//! (`staging/src/k8s.io/apiserver/pkg/storage/testing`) and the six watch guarantees of etcd.
//!
//! The suite takes its own watches up again when they break off for another reason than compaction, as the contract
//! demands of readers: wrappers that drop watches or delay everything pass as well.

#[expect(clippy::missing_panics_doc, reason = "every case panics when the store breaks its promise")]
mod guarantees;
mod kit;
#[expect(clippy::missing_panics_doc, reason = "every case panics when the store breaks its promise")]
mod lists;
mod model;
#[expect(clippy::missing_panics_doc, reason = "every case panics when the store breaks its promise")]
mod races;
#[expect(clippy::missing_panics_doc, reason = "every case panics when the store breaks its promise")]
mod selections;
#[expect(clippy::missing_panics_doc, reason = "every case panics when the store breaks its promise")]
mod writes;

pub use guarantees::*;
pub use kit::{Harness, run, run_virtual};
pub use lists::*;
pub use model::{Case, agrees_with_the_model};
pub use races::*;
pub use selections::*;
pub use writes::*;

/// Makes each case of the suite a test.
///
/// `make` is an async function from an environment and the registry of the suite to a [`Harness`](crate::conformance::Harness) of an
/// empty store; it is called once a test, and often by the model test. With `virtual` before it, time is virtual: for
/// stores that wait by `Env::sleep` only.
///
/// ```
/// use std::sync::Arc;
/// use orch_core::{Env, Registry};
/// use orch_store::{MemStore, conformance::Harness};
///
/// async fn make(env: Env, registry: Arc<Registry>) -> Harness {
///     Harness::new(env, Arc::clone(&registry), MemStore::new(registry))
/// }
/// orch_store::store_conformance!(make);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    (virtual $make:expr) => {
        $crate::store_conformance!(@all run_virtual, $make);
    };
    ($make:expr) => {
        $crate::store_conformance!(@all run, $make);
    };
    (@all $run:ident, $make:expr) => {
        $crate::store_conformance! { @each $run, $make,
            create_answers_with_a_revision
            create_of_a_taken_name_changes_nothing
            a_premise_is_judged_with_the_write
            get_of_an_absent_object_is_not_found
            get_at_least_a_past_revision_is_current
            get_of_a_future_revision_is_ahead
            replace_expects_the_revision
            replace_of_an_absent_object_is_not_found
            the_same_content_is_a_write_too
            delete_expects_the_revision
            delete_of_an_absent_object_is_not_found
            a_stale_delete_spares_a_new_object_of_the_name
            a_deletion_has_its_own_revision
            a_name_is_free_after_its_deletion
            revisions_are_one_counter
            writes_of_a_batch_are_independent
            an_empty_batch_is_nothing
            what_goes_in_comes_out
            a_users_own_kind_is_kept
            an_object_of_a_mebibyte_is_kept
            keys_that_look_alike_are_different_objects
            debug_output_keeps_secrets
            a_list_is_in_order_of_keys
            a_list_of_nothing_has_a_revision
            a_list_is_of_its_kinds_and_namespace
            a_list_selects_by_labels_and_fields
            a_deleted_object_is_not_listed
            pages_are_one_list
            pages_do_not_see_later_writes
            pages_of_a_selection_are_one_list
            remaining_is_the_truth
            a_made_up_page_token_is_refused
            a_page_of_compacted_history_is_compacted
            watch_is_ordered
            watch_is_unique
            watch_is_reliable
            watch_is_atomic
            watch_is_resumable
            watch_is_bookmarkable
            watch_begins_with_the_state
            watch_of_nothing_tells_progress
            watch_replays_history
            watch_from_the_future_is_ahead
            watch_from_compacted_history_is_compacted
            watch_tells_a_deletion_in_full
            watch_tells_each_write_of_a_batch
            watches_do_not_disturb_each_other
            watch_by_field_sees_objects_enter_and_leave
            watch_by_labels_sees_objects_enter_and_leave
            watch_by_name_sees_one_object
            watch_by_an_undeclared_field_sees_nothing
            watch_is_of_its_kind_and_namespace
            watch_of_several_kinds_is_ordered_across_them
            concurrent_writers_lose_no_update
            one_of_concurrent_creates_succeeds
            list_then_watch_has_no_gap
            watch_from_the_state_has_no_gap
            an_answered_write_is_in_every_later_read
        }
        #[test]
        fn agrees_with_the_model() {
            $crate::conformance::agrees_with_the_model(|case| $crate::conformance::$run($make, case));
        }
    };
    (@each $run:ident, $make:expr, $($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::$run($make, |harness| Box::pin($crate::conformance::$case(harness)));
            }
        )*
    };
}

#[cfg(test)]
mod tests {
    /// A case that the macro does not name would never run.
    #[test]
    fn the_macro_names_every_case() {
        let this = include_str!("conformance.rs");
        let modules = [
            include_str!("conformance/guarantees.rs"),
            include_str!("conformance/lists.rs"),
            include_str!("conformance/races.rs"),
            include_str!("conformance/selections.rs"),
            include_str!("conformance/writes.rs"),
        ];
        let cases = modules
            .iter()
            .flat_map(|module| module.lines().filter_map(|line| line.strip_prefix("pub async fn ")));
        let mut count = 0;
        for case in cases.map(|rest| rest.split('(').next().unwrap()) {
            assert!(this.contains(&format!("            {case}\n")), "{case}");
            count += 1;
        }
        assert!(count > 50, "{count}");
    }
}
