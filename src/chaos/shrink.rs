//! Looks for the fewest faults and steps that still break the same promise.
//!
//! Leaves out halves, then quarters, down to single items, over and over (delta debugging, Zeller 1999), within a bound on
//! the runs.

use std::collections::BTreeSet;

/// Leaves out as many items as possible while `fails` answers true; asks at most `most` times.
pub(super) fn shrink(
    items: usize,
    most: usize,
    mut fails: impl FnMut(&BTreeSet<usize>) -> bool,
) -> BTreeSet<usize> {
    let mut kept: Vec<usize> = (0..items).collect();
    let mut chunk = kept.len().div_ceil(2);
    let mut left = most;
    while chunk > 0 {
        let (mut start, mut dropped) = (0, false);
        while start < kept.len() {
            if left == 0 {
                return kept.into_iter().collect();
            }
            left -= 1;
            let end = (start + chunk).min(kept.len());
            let rest: BTreeSet<usize> = kept[..start].iter().chain(&kept[end..]).copied().collect();
            if fails(&rest) {
                kept.drain(start..end);
                dropped = true;
            } else {
                start = end;
            }
        }
        if chunk == 1 && !dropped {
            break;
        }
        chunk = if chunk == 1 { 1 } else { chunk.div_ceil(2) };
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_matters_is_left() {
        let mut runs = 0;
        let kept = shrink(40, 1000, |kept| {
            runs += 1;
            kept.contains(&3) && kept.contains(&31)
        });
        assert_eq!(kept, [3, 31].into());
        assert!(runs < 120, "{runs} runs");
    }

    #[test]
    fn what_fails_by_itself_needs_nothing() {
        assert!(shrink(10, 1000, |_| true).is_empty());
    }

    #[test]
    fn the_bound_holds() {
        let mut runs = 0;
        let kept = shrink(100, 7, |_| {
            runs += 1;
            false
        });
        assert_eq!((runs, kept.len()), (7, 100));
    }
}
