//! Names of resources as small numbers, and amounts of them.
//!
//! Invariant: a number means the same name for the life of a scheduler and of its forks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use orch_core::{Quantity, Str};
use serde_json::Value;

/// The largest amount that is told apart: a thousand of them still add up in 64 bits.
const MOST: i64 = 1 << 52;

/// A resource: CPU in thousandths, everything else in whole units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(pub(crate) u32);

impl Resource {
    /// `cpu`
    pub const CPU: Self = Self(0);
    /// `memory`
    pub const MEMORY: Self = Self(1);
    /// `ephemeral-storage`
    pub const EPHEMERAL_STORAGE: Self = Self(2);

    /// Whether it is one that every node has.
    #[must_use]
    pub fn is_native(self) -> bool {
        self.0 <= Self::EPHEMERAL_STORAGE.0
    }
}

/// The names of resources that were seen so far.
#[derive(Clone, Debug)]
pub struct Resources {
    names: Arc<Vec<Str>>,
    ids: Arc<BTreeMap<Str, Resource>>,
}

impl Default for Resources {
    fn default() -> Self {
        let mut resources = Self { names: Arc::default(), ids: Arc::default() };
        for name in ["cpu", "memory", "ephemeral-storage"] {
            resources.intern(name);
        }
        resources
    }
}

impl Resources {
    /// The name.
    #[must_use]
    pub fn name(&self, resource: Resource) -> &str {
        &self.names[resource.0 as usize]
    }

    /// The number of a name, if it was seen.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Resource> {
        self.ids.get(name).copied()
    }

    /// In Kubernetes' words, that there is not enough of it.
    #[must_use]
    pub fn insufficient(&self, resource: Resource) -> Cow<'static, str> {
        match resource {
            Resource::CPU => Cow::Borrowed("Insufficient cpu"),
            Resource::MEMORY => Cow::Borrowed("Insufficient memory"),
            Resource::EPHEMERAL_STORAGE => Cow::Borrowed("Insufficient ephemeral-storage"),
            other => Cow::Owned(format!("Insufficient {}", self.name(other))),
        }
    }

    pub(crate) fn intern(&mut self, name: &str) -> Resource {
        if let Some(resource) = self.get(name) {
            return resource;
        }
        let resource = Resource(u32::try_from(self.names.len()).expect("fewer names than bytes of memory"));
        let name = Str::from(name);
        Arc::make_mut(&mut self.names).push(name.clone());
        Arc::make_mut(&mut self.ids).insert(name, resource);
        resource
    }
}

/// Amounts of resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amounts {
    /// Thousandths of a CPU.
    pub milli_cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    pub ephemeral_storage: i64,
    /// Everything else, sorted by resource.
    pub extended: Vec<(Resource, i64)>,
}

impl Amounts {
    /// How much there is of a resource.
    #[must_use]
    pub fn get(&self, resource: Resource) -> i64 {
        match resource {
            Resource::CPU => self.milli_cpu,
            Resource::MEMORY => self.memory,
            Resource::EPHEMERAL_STORAGE => self.ephemeral_storage,
            _ => self
                .extended
                .binary_search_by_key(&resource, |(id, _)| *id)
                .map_or(0, |at| self.extended[at].1),
        }
    }

    /// Every resource of which there is some.
    pub fn iter(&self) -> impl Iterator<Item = (Resource, i64)> + '_ {
        let native = [
            (Resource::CPU, self.milli_cpu),
            (Resource::MEMORY, self.memory),
            (Resource::EPHEMERAL_STORAGE, self.ephemeral_storage),
        ];
        native.into_iter().chain(self.extended.iter().copied()).filter(|(_, amount)| *amount != 0)
    }

    /// Reads a map from names to quantities; `pods` is left out, what cannot be read counts as none.
    pub(crate) fn read(map: &Value, resources: &mut Resources) -> Self {
        let mut amounts = Self::default();
        for (name, value) in map.as_object().into_iter().flatten() {
            match name.as_str() {
                "pods" => {}
                "cpu" => amounts.milli_cpu = quantity(value).milli_value().clamp(0, MOST),
                name => amounts.set(resources.intern(name), quantity(value).value().clamp(0, MOST)),
            }
        }
        amounts
    }

    pub(crate) fn set(&mut self, resource: Resource, amount: i64) {
        match resource {
            Resource::CPU => self.milli_cpu = amount,
            Resource::MEMORY => self.memory = amount,
            Resource::EPHEMERAL_STORAGE => self.ephemeral_storage = amount,
            _ => match self.extended.binary_search_by_key(&resource, |(id, _)| *id) {
                Ok(at) => self.extended[at].1 = amount,
                Err(at) => self.extended.insert(at, (resource, amount)),
            },
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.merge(other, i64::saturating_add);
    }

    pub(crate) fn raise_to(&mut self, other: &Self) {
        self.merge(other, i64::max);
    }

    fn merge(&mut self, other: &Self, merge: fn(i64, i64) -> i64) {
        self.milli_cpu = merge(self.milli_cpu, other.milli_cpu);
        self.memory = merge(self.memory, other.memory);
        self.ephemeral_storage = merge(self.ephemeral_storage, other.ephemeral_storage);
        for (resource, amount) in &other.extended {
            self.set(*resource, merge(self.get(*resource), *amount));
        }
    }
}

/// A quantity as JSON has it: a string, or a bare number.
pub(crate) fn quantity(value: &Value) -> Quantity {
    match value {
        Value::String(text) => text.parse().unwrap_or_default(),
        Value::Number(number) => number.to_string().parse().unwrap_or_default(),
        _ => Quantity::ZERO,
    }
}
