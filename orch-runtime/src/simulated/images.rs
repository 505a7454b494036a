//! The images of a simulated node: every name means one.
//!
//! No contents. Invariant: an image has one id for ever, and is present once it has been pulled.

use std::collections::BTreeMap;

use orch_core::Str;
use orch_core::runtime::ImageId;

use super::draws::Stream;
use crate::task::{ImageName, digest};

/// What is here, and how often each was pulled.
pub(super) struct Shelf {
    seed: u64,
    pulled: BTreeMap<ImageName, Pulled>,
}

#[derive(Default)]
struct Pulled {
    tries: u64,
    is_present: bool,
}

impl Shelf {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, pulled: BTreeMap::new() }
    }

    /// A name with a digest is that content under any tag.
    pub(super) fn id(&self, name: &ImageName) -> ImageId {
        name.digest().map_or_else(|| digest(&name.to_string()), |digest| ImageId(digest.into()))
    }

    pub(super) fn present(&self, name: &ImageName) -> Option<ImageId> {
        self.pulled.get(name).filter(|pulled| pulled.is_present).map(|_| self.id(name))
    }

    /// A pull begins: each has a stream of its own.
    pub(super) fn pull(&mut self, name: &ImageName) -> Stream {
        let pulled = self.pulled.entry(name.clone()).or_default();
        pulled.tries += 1;
        Stream::new(self.seed, &["pull", &name.to_string(), &pulled.tries.to_string()])
    }

    /// A pull is done.
    pub(super) fn put(&mut self, name: ImageName) -> ImageId {
        let id = self.id(&name);
        self.pulled.entry(name).or_default().is_present = true;
        id
    }

    pub(super) fn names(&self) -> Vec<Str> {
        let present = self.pulled.iter().filter(|(_, pulled)| pulled.is_present);
        present.map(|(name, _)| name.to_string().into()).collect()
    }
}
