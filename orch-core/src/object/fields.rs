//! The selectable fields of an object: what field selectors and routed watches ask for.

use std::borrow::Cow;
use std::sync::Arc;

use super::common;
use crate::{Result, Str};

/// The values of the fields that a kind lets clients select by, in the registry's order; absent ones are empty. All values
/// are one text: most objects have nine of them, and few change after a pod is bound.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    paths: Arc<[Str]>,
    /// Each value behind its length in bytes and a colon.
    values: Str,
}

/// Bytes that a value takes with its length, more or less.
const USUAL: usize = 16;

impl Fields {
    /// The value of a field that the kind declares.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&str> {
        let at = self.paths.iter().position(|known| **known == *path)?;
        self.values().nth(at)
    }

    /// Paths and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.paths.iter().map(|path| &**path).zip(self.values())
    }

    fn values(&self) -> impl Iterator<Item = &str> {
        let mut rest = &*self.values;
        std::iter::from_fn(move || {
            let (length, behind) = rest.split_once(':')?;
            let (value, behind) = behind.split_at_checked(length.parse().ok()?)?;
            rest = behind;
            Some(value)
        })
    }

    pub(super) fn read<'a>(paths: &Arc<[Str]>, value: impl Fn(&str) -> Result<Cow<'a, str>>) -> Result<Self> {
        let mut values = String::with_capacity(paths.len() * USUAL);
        for path in &**paths {
            append(&mut values, &value(path)?);
        }
        Ok(Self { paths: Arc::clone(paths), values: common::text(&values) })
    }

    /// Replaces the values that `value` knows anew.
    pub(super) fn refresh<'a>(&mut self, value: impl Fn(&str) -> Option<Result<Cow<'a, str>>>) -> Result<()> {
        let mut values = String::with_capacity(self.paths.len() * USUAL);
        for (path, old) in self.iter() {
            append(&mut values, &value(path).transpose()?.unwrap_or(old.into()));
        }
        if *values != *self.values {
            self.values = common::text(&values);
        }
        Ok(())
    }
}

fn append(values: &mut String, value: &str) {
    append_number(values, value.len());
    values.push(':');
    values.push_str(value);
}

/// Digits by hand: `write!` costs more than all the rest.
fn append_number(values: &mut String, number: usize) {
    if number >= 10 {
        append_number(values, number / 10);
    }
    values.extend(char::from_digit((number % 10).try_into().unwrap_or_default(), 10));
}

impl std::fmt::Debug for Fields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_are_what_was_read(
            old in prop::collection::vec(".{0,3}|[0-9:]{0,4}|é{60}", 0..6),
            new in prop::collection::vec(prop::option::of(".{0,3}|[0-9:]{0,4}"), 6),
        ) {
            let paths: Arc<[Str]> = (0..old.len()).map(|at| format!("f{at}").into()).collect();
            let at = |path: &str| path[1..].parse::<usize>().unwrap();
            let mut fields = Fields::read(&paths, |path| Ok(old[at(path)].as_str().into())).unwrap();
            for (path, value) in paths.iter().zip(&old) {
                prop_assert_eq!(fields.get(path), Some(value.as_str()));
            }
            prop_assert_eq!(fields.get("f9"), None);
            fields.refresh(|path| new[at(path)].as_deref().map(|value| Ok(value.into()))).unwrap();
            let wanted: Vec<&str> = old.iter().zip(&new).map(|(old, new)| new.as_ref().unwrap_or(old).as_str()).collect();
            prop_assert_eq!(fields.iter().map(|(_, value)| value).collect::<Vec<_>>(), wanted);
        }
    }
}
