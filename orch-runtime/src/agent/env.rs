//! The environment, command and arguments of a container (`makeEnvironmentVariables` of `pkg/kubelet/kubelet_pods.go`).
//!
//! Pure: everything it needs was read before. Variables of `envFrom` come first, then those of `env` in their order; a
//! later one of the same name takes the place of an earlier one.

use std::collections::BTreeMap;

use orch_core::{Key, Str, kind};

use super::error::Error;
use super::expand::expand;
use super::fields::{self, Place};
use super::pod::Pod;
use super::sources::{Entries, Sources, entries};
use super::spec::{Container, EnvSource, KeyRef};

/// The variables of a container in order.
pub(super) type Variables = Vec<(Str, Str)>;

/// What is known when an environment is made.
pub(super) struct Known<'a> {
    pub(super) pod: &'a Pod,
    pub(super) place: &'a Place,
    pub(super) sources: &'a Sources,
    /// Variables of Services: those that the container sets itself win.
    pub(super) services: &'a [(Str, Str)],
}

struct Builder<'a> {
    known: &'a Known<'a>,
    container: &'a Container,
    read: BTreeMap<Key, Entries>,
    order: Vec<Str>,
    values: BTreeMap<Str, Str>,
}

/// The environment of a container.
pub(super) fn variables(known: &Known<'_>, container: &Container) -> Result<Variables, Error> {
    let mut builder =
        Builder { known, container, read: BTreeMap::new(), order: Vec::new(), values: BTreeMap::new() };
    builder.take_env_from()?;
    builder.take_env()?;
    let Builder { order, values, .. } = builder;
    let services = known.services.iter().filter(|(name, _)| !values.contains_key(name)).cloned();
    let own =
        order.into_iter().filter_map(|name| values.get(&name).map(|value| (name.clone(), value.clone())));
    Ok(services.chain(own).collect())
}

/// Command or arguments with their references replaced.
pub(super) fn words(words: &[Str], variables: &Variables) -> Vec<Str> {
    let values: BTreeMap<&str, &str> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    words.iter().map(|word| expand(word, |name| values.get(name).copied()).into()).collect()
}

impl Builder<'_> {
    fn set(&mut self, name: Str, value: Str) {
        if self.values.insert(name.clone(), value).is_none() {
            self.order.push(name);
        }
    }

    fn take_env_from(&mut self) -> Result<(), Error> {
        for source in &self.container.env_from {
            let config_map = source.config_map_ref.as_ref().map(|from| (kind::CONFIG_MAPS, from));
            let secret = source.secret_ref.as_ref().map(|from| (kind::SECRETS, from));
            let Some((kind, from)) = config_map.or(secret) else { continue };
            let key = self.known.pod.key().sibling(kind, from.name.clone());
            let Some(entries) = self.entries(&key, from.optional)? else { continue };
            let variables: Variables = entries
                .iter()
                .map(|(name, value)| (format!("{}{name}", source.prefix).into(), text(value)))
                .collect();
            variables.into_iter().for_each(|(name, value)| self.set(name, value));
        }
        Ok(())
    }

    fn take_env(&mut self) -> Result<(), Error> {
        for variable in &self.container.env {
            let value = match &variable.value_from {
                Some(source) if variable.value.is_empty() => match self.resolve(source)? {
                    Some(value) => value,
                    None => continue,
                },
                _ => expand(&variable.value, |name| self.lookup(name)).into(),
            };
            self.set(variable.name.clone(), value);
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Option<&str> {
        let service =
            || self.known.services.iter().find(|(known, _)| &**known == name).map(|(_, value)| value);
        self.values.get(name).or_else(service).map(|value| &**value)
    }

    /// The value; `None` when it is optional and absent.
    fn resolve(&mut self, source: &EnvSource) -> Result<Option<Str>, Error> {
        if let Some(from) = &source.config_map_key_ref {
            return self.entry(kind::CONFIG_MAPS, from);
        }
        if let Some(from) = &source.secret_key_ref {
            return self.entry(kind::SECRETS, from);
        }
        let Known { pod, place, .. } = self.known;
        if let Some(from) = &source.field_ref {
            return fields::field(pod, place, &from.field_path).map(|text| Some(text.into()));
        }
        if let Some(from) = &source.resource_field_ref {
            return fields::resource(pod, self.container, place, from).map(|text| Some(text.into()));
        }
        Ok(Some(Str::default()))
    }

    fn entry(&mut self, kind: orch_core::Kind, from: &KeyRef) -> Result<Option<Str>, Error> {
        let key = self.known.pod.key().sibling(kind, from.name.clone());
        let Some(entries) = self.entries(&key, from.optional)? else { return Ok(None) };
        match entries.get(&*from.key) {
            Some(value) => Ok(Some(text(value))),
            None if from.optional => Ok(None),
            None => Err(Error::NoEntry { key, entry: from.key.clone() }),
        }
    }

    fn entries(&mut self, key: &Key, optional: bool) -> Result<Option<&Entries>, Error> {
        if !self.read.contains_key(key) {
            let Some(object) = self.known.sources.get_optional(key, optional)? else { return Ok(None) };
            self.read.insert(key.clone(), entries(object));
        }
        Ok(self.read.get(key))
    }
}

fn text(bytes: &[u8]) -> Str {
    String::from_utf8_lossy(bytes).into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables are written with values")]

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::super::testing::{object, pod};
    use super::*;

    fn sources() -> Sources {
        let mut sources = Sources::default();
        for tree in [
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cfg", "namespace": "shop"},
                "data": {"COLOR": "red", "SIZE": "9"}}),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sec", "namespace": "shop"},
                "data": {"PASSWORD": "czNjcmV0"}}),
        ] {
            let object = object(tree);
            sources.put(object.key().clone(), Some(object));
        }
        sources.put(Key::new(kind::CONFIG_MAPS, "shop", "gone"), None);
        sources
    }

    fn environment(container: Value) -> Result<Vec<String>, Error> {
        let pod = pod(json!({"metadata": {"name": "web", "namespace": "shop", "uid": "u"},
            "spec": {"containers": [container]}}));
        let place = Place { pod_ips: vec!["10.0.0.7".into()], ..Place::default() };
        let services = [("DB_SERVICE_HOST".into(), "10.1.0.1".into()), ("COLOR".into(), "service".into())];
        let known = Known { pod: &pod, place: &place, sources: &sources(), services: &services };
        let variables = variables(&known, &pod.spec.containers[0])?;
        Ok(variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[track_caller]
    fn check(container: Value, expected: &[&str]) {
        let found = environment(container).unwrap();
        let own: Vec<_> =
            found.iter().filter(|line| !line.contains("SERVICE") && *line != "COLOR=service").collect();
        assert_eq!(own, expected);
    }

    #[test]
    fn variables_come_from_every_source() {
        check(
            json!({"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(NONE)-$$(A)"}]}),
            &["A=1", "B=1-$(NONE)-$(A)"],
        );
        check(
            json!({"envFrom": [{"configMapRef": {"name": "cfg"}}, {"prefix": "P_", "secretRef": {"name": "sec"}}]}),
            &["COLOR=red", "SIZE=9", "P_PASSWORD=s3cret"],
        );
        check(
            json!({"envFrom": [{"configMapRef": {"name": "cfg"}}], "env": [{"name": "COLOR", "value": "$(SIZE)"}]}),
            &["COLOR=9", "SIZE=9"],
        );
        check(
            json!({"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "PW", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "PASSWORD"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "COLOR"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu"}}}]}),
            &["IP=10.0.0.7", "PW=s3cret", "C=red", "CPU=0"],
        );
    }

    #[test]
    fn what_is_optional_may_be_absent() {
        check(
            json!({"envFrom": [{"configMapRef": {"name": "gone", "optional": true}}],
            "env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cfg", "key": "nope", "optional": true}}},
                {"name": "Y", "valueFrom": {"configMapKeyRef": {"name": "gone", "key": "k", "optional": true}}}]}),
            &[],
        );
    }

    #[track_caller]
    fn refused(container: Value, message: &str) {
        assert_eq!(environment(container).unwrap_err().to_string(), message);
    }

    #[test]
    fn what_is_absent_is_named() {
        refused(json!({"envFrom": [{"configMapRef": {"name": "gone"}}]}), "configmap \"gone\" not found");
        refused(
            json!({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "nope"}}}]}),
            "couldn't find key nope in Secret shop/sec",
        );
        refused(
            json!({"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "unread", "key": "k"}}}]}),
            "failed to sync secret cache: \"unread\" has not been read yet",
        );
    }

    #[test]
    fn services_are_known_to_references_but_lose_to_own_variables() {
        let found = environment(
            json!({"env": [{"name": "URL", "value": "$(DB_SERVICE_HOST)"}, {"name": "COLOR", "value": "own"}]}),
        );
        assert_eq!(found.unwrap(), ["DB_SERVICE_HOST=10.1.0.1", "URL=10.1.0.1", "COLOR=own"]);
    }

    #[test]
    fn words_expand_with_the_environment() {
        let variables = vec![("A".into(), "1".into())];
        assert_eq!(
            words(&["$(A)".into(), "$$(A)".into(), "$(B)".into()], &variables),
            ["1".into(), "$(A)".into(), Str::from("$(B)")]
        );
    }

    proptest! {
        #[test]
        fn a_name_stands_once_and_its_last_value_wins(names in prop::collection::vec("[A-C]", 0..8)) {
            let env: Vec<_> = names.iter().enumerate().map(|(at, name)| json!({"name": name, "value": at.to_string()})).collect();
            let found = environment(json!({"env": env})).unwrap();
            for name in ["A", "B", "C"] {
                let lines: Vec<_> = found.iter().filter(|line| line.starts_with(&format!("{name}="))).cloned().collect();
                match names.iter().rposition(|other| other == name) {
                    Some(last) => prop_assert_eq!(lines, vec![format!("{name}={last}")]),
                    None => prop_assert!(lines.is_empty()),
                }
            }
        }
    }
}
