//! Kinds, types and fields as values to walk.
//!
//! Not owners of anything: every handle is a number into the table in the binary, `Copy`, and valid for ever.

use super::table;

/// A type in the table: what a kind, a field, an array element or a map value is.
///
/// ```
/// use orch_api::schema::{self, Type};
///
/// let pod = schema::lookup("", "v1", "Pod").expect("a built-in kind");
/// let containers = pod.field("spec").and_then(|spec| spec.ty().field("containers")).expect("a field");
/// assert_eq!(containers.list_keys().collect::<Vec<_>>(), ["name"]);
/// let image = containers.ty().item().and_then(|container| container.field("image")).expect("a field");
/// assert_eq!(image.ty().get(), Type::String);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeRef(u16);

/// The shape of a value. `null` is allowed for every one of them and means absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Type {
    /// Any JSON value: raw extensions, JSON in custom resource definitions, field sets.
    Any,
    /// A string.
    String,
    /// An integer of 32 bits.
    Int32,
    /// An integer of 64 bits.
    Int64,
    /// A number of double precision.
    Number,
    /// `true` or `false`.
    Boolean,
    /// Bytes, as a string in standard base64.
    Bytes,
    /// A string with a time as in RFC 3339.
    Time,
    /// A string with a time as in RFC 3339 with exactly six digits of fraction.
    MicroTime,
    /// A string or a number; what the string says is left to validation.
    Quantity,
    /// A string or an integer of 32 bits.
    IntOrString,
    /// An object with arbitrary keys and values of one type.
    Map(TypeRef),
    /// An array with elements of one type.
    Array(TypeRef),
    /// An object with known fields.
    Object(Definition),
}

impl TypeRef {
    /// The shape.
    #[must_use]
    pub fn get(self) -> Type {
        let (tag, argument) = table::type_record(self.0);
        match tag {
            1 => Type::String,
            2 => Type::Int32,
            3 => Type::Int64,
            4 => Type::Number,
            5 => Type::Boolean,
            6 => Type::Bytes,
            7 => Type::Time,
            8 => Type::MicroTime,
            9 => Type::Quantity,
            10 => Type::IntOrString,
            11 => Type::Map(Self(argument)),
            12 => Type::Array(Self(argument)),
            13 => Type::Object(Definition(argument)),
            _ => Type::Any,
        }
    }

    /// The field `name`, if this is an object with known fields and has it.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field> {
        self.definition()?.field(name)
    }

    /// The type of an array's elements or a map's values.
    #[must_use]
    pub fn item(self) -> Option<Self> {
        match self.get() {
            Type::Map(item) | Type::Array(item) => Some(item),
            _ => None,
        }
    }

    /// The definition, if this is an object with known fields.
    #[must_use]
    pub fn definition(self) -> Option<Definition> {
        match self.get() {
            Type::Object(definition) => Some(definition),
            _ => None,
        }
    }
}

/// An object type with known fields, such as `io.k8s.api.core.v1.PodSpec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Definition(u16);

impl Definition {
    /// Kubernetes' name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        table::text(table::definition_name(self.0))
    }

    /// The type with this definition.
    #[must_use]
    pub fn ty(self) -> TypeRef {
        TypeRef(self.0)
    }

    /// All fields, ordered by name.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field> {
        table::definition_fields(self.0).map(Field)
    }

    /// The field `name`. Names are case-sensitive, as in Kubernetes.
    #[must_use]
    pub fn field(self, name: &str) -> Option<Field> {
        table::find_field(self.0, name).map(Field)
    }

    /// `x-kubernetes-map-type`: whether appliers own the object as a whole.
    #[must_use]
    pub fn map_type(self) -> Option<MapType> {
        MapType::from_number(table::definition_map_type(self.0))
    }
}

/// A field of an object, with the facts that merges need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Field(u16);

impl Field {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        table::text(table::field_name(self.0))
    }

    /// Its type.
    #[must_use]
    pub fn ty(self) -> TypeRef {
        TypeRef(table::field_type(self.0))
    }

    /// Whether the schema requires it. Defaulting happens before anything enforces this.
    #[must_use]
    pub fn is_required(self) -> bool {
        table::field_flags(self.0) & 1 == 1
    }

    /// `x-kubernetes-list-type`; a list without one is atomic.
    #[must_use]
    pub fn list_type(self) -> Option<ListType> {
        match table::field_flags(self.0) >> 1 & 3 {
            1 => Some(ListType::Atomic),
            2 => Some(ListType::Set),
            3 => Some(ListType::Map),
            _ => None,
        }
    }

    /// `x-kubernetes-list-map-keys`: the fields that together identify an element. Empty unless the list type is map.
    pub fn list_keys(self) -> impl ExactSizeIterator<Item = &'static str> {
        table::field_list_keys(self.0).map(table::text)
    }

    /// `x-kubernetes-map-type` of the field; without one the definition's counts, and without that it is granular.
    #[must_use]
    pub fn map_type(self) -> Option<MapType> {
        let own = MapType::from_number(u16::from(table::field_flags(self.0) >> 3 & 3));
        own.or_else(|| self.ty().definition().and_then(Definition::map_type))
    }

    /// `x-kubernetes-patch-strategy`.
    #[must_use]
    pub fn patch_strategy(self) -> PatchStrategy {
        let bits = table::field_strategy(self.0);
        PatchStrategy { merge: bits & 1 != 0, retain_keys: bits & 2 != 0, replace: bits & 4 != 0 }
    }

    /// `x-kubernetes-patch-merge-key`: the field by which strategic merge patches identify an element.
    #[must_use]
    pub fn merge_key(self) -> Option<&'static str> {
        table::field_merge_key(self.0).map(table::text)
    }
}

/// How server-side apply treats a list (KEP-555).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListType {
    /// Owned and replaced as a whole.
    Atomic,
    /// Scalars, each at most once, owned one by one.
    Set,
    /// Objects identified by their list keys, owned one by one.
    Map,
}

/// How server-side apply treats an object or map (KEP-555).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapType {
    /// Owned and replaced as a whole.
    Atomic,
    /// Owned field by field.
    Granular,
}

impl MapType {
    fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Atomic),
            2 => Some(Self::Granular),
            _ => None,
        }
    }
}

/// What a strategic merge patch does with a field; without any of these a list is replaced and an object merged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PatchStrategy {
    /// Lists are merged: by the merge key, or as a set of scalars.
    pub merge: bool,
    /// A patch may say with `$retainKeys` which keys stay.
    pub retain_keys: bool,
    /// The value is replaced as a whole.
    pub replace: bool,
}

/// A kind of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindEntry {
    /// Group; empty for the core group.
    pub group: &'static str,
    /// Version.
    pub version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Its type, an object.
    pub ty: TypeRef,
}

/// The type of a kind; the core group is the empty string.
///
/// ```
/// use orch_api::schema;
///
/// assert!(schema::lookup("", "v1", "Pod").is_some());
/// assert!(schema::lookup("apps", "v1", "Pod").is_none());
/// ```
#[must_use]
pub fn lookup(group: &str, version: &str, kind: &str) -> Option<TypeRef> {
    table::find_kind(group, version, kind).map(|record| TypeRef(record.ty))
}

/// All kinds, ordered by group, version and kind.
pub fn kinds() -> impl ExactSizeIterator<Item = KindEntry> {
    (0..table::kind_count()).map(|number| {
        let record = table::kind(number);
        let text = table::text;
        let (group, version, kind) = (text(record.group), text(record.version), text(record.kind));
        KindEntry { group, version, kind, ty: TypeRef(record.ty) }
    })
}

/// A definition by Kubernetes' name, such as `io.k8s.api.core.v1.PodTemplateSpec`.
#[must_use]
pub fn definition(name: &str) -> Option<Definition> {
    table::find_definition(name).map(Definition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(definition_name: &str, name: &str) -> Field {
        definition(definition_name).unwrap().field(name).unwrap()
    }

    #[test]
    fn kinds_are_found_by_group_version_and_kind() {
        for (group, version, kind, name) in [
            ("", "v1", "Pod", "io.k8s.api.core.v1.Pod"),
            ("apps", "v1", "Deployment", "io.k8s.api.apps.v1.Deployment"),
            ("policy", "v1", "Eviction", "io.k8s.api.policy.v1.Eviction"),
            ("autoscaling", "v1", "Scale", "io.k8s.api.autoscaling.v1.Scale"),
            ("batch", "v1", "DeleteOptions", "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"),
        ] {
            assert_eq!(lookup(group, version, kind).unwrap().definition().unwrap().name(), name);
        }
        assert!(lookup("apps", "v1", "deployment").is_none());
        assert!(lookup("example.com", "v1", "Crontab").is_none());
        assert_eq!(kinds().len(), 311);
        assert!(kinds().all(|entry| lookup(entry.group, entry.version, entry.kind) == Some(entry.ty)));
    }

    #[test]
    fn fields_have_kubernetes_types() {
        let core = |name: &str, key: &str| field(&format!("io.k8s.api.core.v1.{name}"), key).ty();
        assert_eq!(core("PodSpec", "activeDeadlineSeconds").get(), Type::Int64);
        assert_eq!(core("ContainerPort", "containerPort").get(), Type::Int32);
        assert_eq!(core("ServicePort", "targetPort").get(), Type::IntOrString);
        assert_eq!(core("Event", "eventTime").get(), Type::MicroTime);
        assert_eq!(core("Secret", "data").item().unwrap().get(), Type::Bytes);
        assert_eq!(core("ResourceRequirements", "limits").item().unwrap().get(), Type::Quantity);
        let meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
        assert_eq!(field(meta, "creationTimestamp").ty().get(), Type::Time);
        let raw = field("io.k8s.api.apps.v1.ControllerRevision", "data");
        assert_eq!(raw.ty().get(), Type::Any);
        assert!(field("io.k8s.api.core.v1.PodSpec", "containers").is_required());
        assert!(!field("io.k8s.api.core.v1.PodSpec", "volumes").is_required());
    }

    #[test]
    fn fields_have_kubernetes_merge_facts() {
        let ports = field("io.k8s.api.core.v1.Container", "ports");
        assert_eq!(ports.list_type(), Some(ListType::Map));
        assert_eq!(ports.list_keys().collect::<Vec<_>>(), ["containerPort", "protocol"]);
        assert_eq!(ports.merge_key(), Some("containerPort"));
        assert_eq!(ports.patch_strategy(), PatchStrategy { merge: true, ..PatchStrategy::default() });
        let volumes = field("io.k8s.api.core.v1.PodSpec", "volumes");
        let both = PatchStrategy { merge: true, retain_keys: true, replace: false };
        assert_eq!(volumes.patch_strategy(), both);
        let finalizers = field("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers");
        assert_eq!(finalizers.list_type(), Some(ListType::Set));
        assert_eq!((finalizers.merge_key(), finalizers.list_keys().len()), (None, 0));
        let command = field("io.k8s.api.core.v1.Container", "command");
        assert_eq!(
            (command.list_type(), command.patch_strategy()),
            (Some(ListType::Atomic), PatchStrategy::default())
        );
        assert_eq!(field("io.k8s.api.core.v1.Service", "metadata").map_type(), None);
        assert_eq!(field("io.k8s.api.core.v1.ServiceSpec", "selector").map_type(), Some(MapType::Atomic));
        let selector = definition("io.k8s.api.core.v1.NodeSelector").unwrap();
        assert_eq!(selector.map_type(), Some(MapType::Atomic));
    }
}
