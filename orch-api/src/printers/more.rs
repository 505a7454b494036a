//! The tables of the kinds that are no workloads.

use orch_core::{Kind, kind};

use super::cells;
use super::columns::{AGE, Cell, Column, NAME, NAME_AGE, NAME_CREATED, column, flag, number, words};
use super::network;

const WEBHOOKS: &[Column] = &[
    NAME,
    column("Webhooks", Cell::Length("webhooks"))
        .typed("integer")
        .says("How many webhooks the configuration has."),
    AGE,
];

const BINDING: &[Column] = &[
    NAME,
    column("Role", Cell::Of(cells::role)).of("rbac.v1.RoleBinding.roleRef"),
    AGE,
    column("Users", Cell::Of(cells::users)).wide().says("The users that have the role."),
    column("Groups", Cell::Of(cells::groups)).wide().says("The groups that have the role."),
    column("ServiceAccounts", Cell::Of(cells::accounts))
        .wide()
        .says("The service accounts that have the role."),
];

const POLICY_BINDING: &[Column] = &[
    NAME,
    words("PolicyName", "spec.policyName").says("The policy that is bound."),
    column("ParamRef", Cell::Of(cells::param_ref)).says("Where the policy's parameters are."),
    AGE,
];

const fn parameters() -> Column {
    column("ParamKind", Cell::Of(cells::param_kind)).says("The kind of the policy's parameters.")
}

const fn node_address(name: &'static str, cell: Cell) -> Column {
    column(name, cell).wide().of("core.v1.NodeStatus.addresses")
}

const fn attributes_class() -> Column {
    column("VolumeAttributesClass", Cell::Text("spec.volumeAttributesClassName", "<unset>"))
        .says("The class of the volume's attributes.")
}

const fn storage_class() -> Column {
    column("StorageClass", Cell::Of(cells::storage_class)).says("The class of the storage.")
}

pub(super) static TABLES: &[(Kind, &[Column])] = &[
    (
        kind::SERVICES,
        &[
            NAME,
            words("Type", "spec.type").of("core.v1.ServiceSpec.type"),
            column("Cluster-IP", Cell::Of(network::cluster_ip)).of("core.v1.ServiceSpec.clusterIP"),
            column("External-IP", Cell::Of(network::external)).of("core.v1.ServiceSpec.externalIPs"),
            column("Port(s)", Cell::Of(network::ports)).of("core.v1.ServiceSpec.ports"),
            AGE,
            column("Selector", Cell::Labels("spec.selector")).wide().of("core.v1.ServiceSpec.selector"),
        ],
    ),
    (
        kind::INGRESSES,
        &[
            NAME,
            column("Class", Cell::Text("spec.ingressClassName", "<none>"))
                .says("The class that serves the ingress."),
            column("Hosts", Cell::Of(network::hosts)).says("The hosts for which requests are taken."),
            column("Address", Cell::Of(network::address)).says("Where the load balancer listens."),
            column("Ports", Cell::Of(network::ingress_ports)).says("The ports that are open."),
            AGE,
        ],
    ),
    (
        kind::INGRESS_CLASSES,
        &[
            column("Name", Cell::Of(cells::ingress_class_name)).of("meta.v1.ObjectMeta.name"),
            words("Controller", "spec.controller").says("Who serves ingresses of the class."),
            column("Parameters", Cell::Of(network::class_parameters))
                .says("Where the class' parameters are."),
            AGE,
        ],
    ),
    (
        kind::NETWORK_POLICIES,
        &[
            NAME,
            column("Pod-Selector", Cell::Selector("spec.podSelector", "<none>"))
                .of("networking.v1.NetworkPolicySpec.podSelector"),
            AGE,
        ],
    ),
    (
        kind::ENDPOINTS,
        &[NAME, column("Endpoints", Cell::Of(network::endpoints)).of("core.v1.Endpoints.subsets"), AGE],
    ),
    (
        kind::ENDPOINT_SLICES,
        &[
            NAME,
            words("AddressType", "addressType").of("discovery.v1.EndpointSlice.addressType"),
            column("Ports", Cell::Of(network::slice_ports)).of("discovery.v1.EndpointSlice.ports"),
            column("Endpoints", Cell::Of(network::slice_endpoints))
                .of("discovery.v1.EndpointSlice.endpoints"),
            AGE,
        ],
    ),
    (
        kind::SERVICE_CIDRS,
        &[NAME, column("CIDRs", Cell::Of(network::cidrs)).of("networking.v1.ServiceCIDRSpec.cidrs"), AGE],
    ),
    (
        kind::IP_ADDRESSES,
        &[NAME, column("ParentRef", Cell::Of(cells::parent)).of("networking.v1.IPAddressSpec.parentRef")],
    ),
    (
        kind::NODES,
        &[
            NAME,
            column("Status", Cell::Of(cells::node_status)).says("Whether the node is ready."),
            column("Roles", Cell::Of(cells::node_roles)).says("The roles of the node."),
            AGE,
            words("Version", "status.nodeInfo.kubeletVersion").of("core.v1.NodeSystemInfo.kubeletVersion"),
            node_address("Internal-IP", Cell::Of(cells::internal_ip)),
            node_address("External-IP", Cell::Of(cells::external_ip)),
            column("OS-Image", Cell::Text("status.nodeInfo.osImage", "<unknown>"))
                .wide()
                .of("core.v1.NodeSystemInfo.osImage"),
            column("Kernel-Version", Cell::Of(cells::kernel))
                .wide()
                .of("core.v1.NodeSystemInfo.kernelVersion"),
            column("Container-Runtime", Cell::Text("status.nodeInfo.containerRuntimeVersion", "<unknown>"))
                .wide()
                .of("core.v1.NodeSystemInfo.containerRuntimeVersion"),
        ],
    ),
    (
        kind::EVENTS,
        &[
            column("Last Seen", Cell::At(cells::last_seen)).of("core.v1.Event.lastTimestamp"),
            words("Type", "type").of("core.v1.Event.type"),
            words("Reason", "reason").of("core.v1.Event.reason"),
            column("Object", Cell::Of(cells::event_object)).of("core.v1.Event.involvedObject"),
            words("Subobject", "involvedObject.fieldPath").wide().of("core.v1.ObjectReference.fieldPath"),
            column("Source", Cell::Of(cells::event_source)).wide().of("core.v1.Event.source"),
            column("Message", Cell::Of(cells::event_message)).of("core.v1.Event.message"),
            column("First Seen", Cell::At(cells::first_seen)).wide().of("core.v1.Event.firstTimestamp"),
            column("Count", Cell::Of(cells::event_count)).wide().of("core.v1.Event.count"),
            NAME.wide(),
        ],
    ),
    (kind::NAMESPACES, &[NAME, words("Status", "status.phase").says("The phase of the namespace."), AGE]),
    (
        kind::SECRETS,
        &[
            NAME,
            words("Type", "type").of("core.v1.Secret.type"),
            column("Data", Cell::Length("data")).of("core.v1.Secret.data"),
            AGE,
        ],
    ),
    (
        kind::CONFIG_MAPS,
        &[NAME, column("Data", Cell::Of(cells::data_count)).of("core.v1.ConfigMap.data"), AGE],
    ),
    (kind::SERVICE_ACCOUNTS, NAME_AGE),
    (
        kind::PERSISTENT_VOLUMES,
        &[
            NAME,
            column("Capacity", Cell::Of(cells::volume_capacity)).of("core.v1.PersistentVolumeSpec.capacity"),
            column("Access Modes", Cell::Of(cells::volume_modes))
                .of("core.v1.PersistentVolumeSpec.accessModes"),
            words("Reclaim Policy", "spec.persistentVolumeReclaimPolicy")
                .of("core.v1.PersistentVolumeSpec.persistentVolumeReclaimPolicy"),
            column("Status", Cell::Of(cells::phase)).of("core.v1.PersistentVolumeStatus.phase"),
            column("Claim", Cell::Of(cells::claim_of_volume)).of("core.v1.PersistentVolumeSpec.claimRef"),
            storage_class(),
            attributes_class(),
            words("Reason", "status.reason").of("core.v1.PersistentVolumeStatus.reason"),
            AGE,
            column("VolumeMode", Cell::Text("spec.volumeMode", "<unset>"))
                .wide()
                .of("core.v1.PersistentVolumeSpec.volumeMode"),
        ],
    ),
    (
        kind::PERSISTENT_VOLUME_CLAIMS,
        &[
            NAME,
            column("Status", Cell::Of(cells::phase)).of("core.v1.PersistentVolumeClaimStatus.phase"),
            words("Volume", "spec.volumeName").of("core.v1.PersistentVolumeClaimSpec.volumeName"),
            column("Capacity", Cell::Of(cells::claim_capacity))
                .of("core.v1.PersistentVolumeClaimStatus.capacity"),
            column("Access Modes", Cell::Of(cells::claim_modes))
                .of("core.v1.PersistentVolumeClaimStatus.accessModes"),
            storage_class(),
            attributes_class(),
            AGE,
            column("VolumeMode", Cell::Text("spec.volumeMode", "<unset>"))
                .wide()
                .of("core.v1.PersistentVolumeClaimSpec.volumeMode"),
        ],
    ),
    (
        kind::RESOURCE_QUOTAS,
        &[
            NAME,
            column("Request", Cell::Of(cells::quota_requests)).says("What is used of counts and requests."),
            column("Limit", Cell::Of(cells::quota_limits)).says("What is used of limits."),
            AGE,
        ],
    ),
    (kind::LIMIT_RANGES, NAME_CREATED),
    (kind::ROLES, NAME_CREATED),
    (kind::CLUSTER_ROLES, NAME_CREATED),
    (kind::ROLE_BINDINGS, BINDING),
    (kind::CLUSTER_ROLE_BINDINGS, BINDING),
    (
        kind::CERTIFICATE_SIGNING_REQUESTS,
        &[
            NAME,
            AGE,
            column("SignerName", Cell::Text("spec.signerName", "<none>"))
                .of("certificates.v1.CertificateSigningRequestSpec.signerName"),
            words("Requestor", "spec.username").of("certificates.v1.CertificateSigningRequestSpec.request"),
            column("RequestedDuration", Cell::Of(cells::requested_duration))
                .of("certificates.v1.CertificateSigningRequestSpec.expirationSeconds"),
            column("Condition", Cell::Of(cells::request_state))
                .of("certificates.v1.CertificateSigningRequestStatus.conditions"),
        ],
    ),
    (
        kind::LEASES,
        &[NAME, words("Holder", "spec.holderIdentity").of("coordination.v1.LeaseSpec.holderIdentity"), AGE],
    ),
    (
        kind::STORAGE_CLASSES,
        &[
            column("Name", Cell::Of(cells::class_name)).of("meta.v1.ObjectMeta.name"),
            words("Provisioner", "provisioner").of("storage.v1.StorageClass.provisioner"),
            column("ReclaimPolicy", Cell::Text("reclaimPolicy", "Delete"))
                .of("storage.v1.StorageClass.reclaimPolicy"),
            column("VolumeBindingMode", Cell::Text("volumeBindingMode", "Immediate"))
                .of("storage.v1.StorageClass.volumeBindingMode"),
            column("AllowVolumeExpansion", Cell::Flag("allowVolumeExpansion", false))
                .of("storage.v1.StorageClass.allowVolumeExpansion"),
            AGE,
        ],
    ),
    (
        kind::VOLUME_ATTRIBUTES_CLASSES,
        &[NAME, words("DriverName", "driverName").of("storage.v1.VolumeAttributesClass.driverName"), AGE],
    ),
    (
        kind::VOLUME_ATTACHMENTS,
        &[
            NAME,
            words("Attacher", "spec.attacher").of("storage.v1.VolumeAttachmentSpec.attacher"),
            words("PV", "spec.source.persistentVolumeName")
                .of("storage.v1.VolumeAttachmentSource.persistentVolumeName"),
            words("Node", "spec.nodeName").of("storage.v1.VolumeAttachmentSpec.nodeName"),
            flag("Attached", "status.attached").of("storage.v1.VolumeAttachmentStatus.attached"),
            AGE,
        ],
    ),
    (
        kind::CSI_NODES,
        &[
            NAME,
            column("Drivers", Cell::Length("spec.drivers"))
                .typed("integer")
                .says("How many drivers are registered on the node."),
            AGE,
        ],
    ),
    (
        kind::CSI_DRIVERS,
        &[
            NAME,
            column("AttachRequired", Cell::Flag("spec.attachRequired", true))
                .typed("boolean")
                .of("storage.v1.CSIDriverSpec.attachRequired"),
            flag("PodInfoOnMount", "spec.podInfoOnMount").of("storage.v1.CSIDriverSpec.podInfoOnMount"),
            flag("StorageCapacity", "spec.storageCapacity").of("storage.v1.CSIDriverSpec.storageCapacity"),
            column("TokenRequests", Cell::Of(cells::token_audiences))
                .of("storage.v1.CSIDriverSpec.tokenRequests"),
            flag("RequiresRepublish", "spec.requiresRepublish")
                .of("storage.v1.CSIDriverSpec.requiresRepublish"),
            column("Modes", Cell::Of(cells::lifecycle_modes))
                .of("storage.v1.CSIDriverSpec.volumeLifecycleModes"),
            AGE,
        ],
    ),
    (kind::CSI_STORAGE_CAPACITIES, NAME_CREATED),
    (
        kind::PRIORITY_CLASSES,
        &[
            NAME,
            number("Value", "value").of("scheduling.v1.PriorityClass.value"),
            flag("Global-Default", "globalDefault").of("scheduling.v1.PriorityClass.globalDefault"),
            AGE,
            words("PreemptionPolicy", "preemptionPolicy").of("scheduling.v1.PriorityClass.preemptionPolicy"),
        ],
    ),
    (kind::RUNTIME_CLASSES, &[NAME, words("Handler", "handler").of("node.v1.RuntimeClass.handler"), AGE]),
    (kind::MUTATING_WEBHOOK_CONFIGURATIONS, WEBHOOKS),
    (kind::VALIDATING_WEBHOOK_CONFIGURATIONS, WEBHOOKS),
    (
        kind::VALIDATING_ADMISSION_POLICIES,
        &[
            NAME,
            column("Validations", Cell::Length("spec.validations"))
                .typed("integer")
                .says("How many validations the policy has."),
            parameters(),
            AGE,
        ],
    ),
    (kind::VALIDATING_ADMISSION_POLICY_BINDINGS, POLICY_BINDING),
    (
        kind::MUTATING_ADMISSION_POLICIES,
        &[
            NAME,
            column("Mutations", Cell::Length("spec.mutations"))
                .typed("integer")
                .says("How many mutations the policy has."),
            parameters(),
            AGE,
        ],
    ),
    (kind::MUTATING_ADMISSION_POLICY_BINDINGS, POLICY_BINDING),
    (
        kind::FLOW_SCHEMAS,
        &[
            NAME,
            words("PriorityLevel", "spec.priorityLevelConfiguration.name")
                .of("flowcontrol.v1.PriorityLevelConfigurationReference.name"),
            column("MatchingPrecedence", Cell::Number("spec.matchingPrecedence"))
                .of("flowcontrol.v1.FlowSchemaSpec.matchingPrecedence"),
            column("DistinguisherMethod", Cell::Text("spec.distinguisherMethod.type", "<none>"))
                .of("flowcontrol.v1.FlowSchemaSpec.distinguisherMethod"),
            AGE,
            column("MissingPL", Cell::Of(cells::missing_level))
                .says("Whether the priority level is missing."),
        ],
    ),
    (
        kind::PRIORITY_LEVEL_CONFIGURATIONS,
        &[
            NAME,
            words("Type", "spec.type").of("flowcontrol.v1.PriorityLevelConfigurationSpec.type"),
            column("NominalConcurrencyShares", Cell::Of(cells::shares))
                .of("flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares"),
            column("Queues", Cell::Of(cells::queues)).of("flowcontrol.v1.QueuingConfiguration.queues"),
            column("HandSize", Cell::Of(cells::hand_size)).of("flowcontrol.v1.QueuingConfiguration.handSize"),
            column("QueueLengthLimit", Cell::Of(cells::queue_length))
                .of("flowcontrol.v1.QueuingConfiguration.queueLengthLimit"),
            AGE,
        ],
    ),
    (kind::DEVICE_CLASSES, NAME_AGE),
    (
        kind::RESOURCE_CLAIMS,
        &[NAME, column("State", Cell::Of(cells::claim_state)).says("What has become of the claim."), AGE],
    ),
    (kind::RESOURCE_CLAIM_TEMPLATES, NAME_AGE),
    (
        kind::RESOURCE_SLICES,
        &[
            NAME,
            words("Node", "spec.nodeName").of("resource.v1.ResourceSliceSpec.nodeName"),
            words("Driver", "spec.driver").of("resource.v1.ResourceSliceSpec.driver"),
            words("Pool", "spec.pool.name").of("resource.v1.ResourcePool.name"),
            AGE,
        ],
    ),
    (kind::CUSTOM_RESOURCE_DEFINITIONS, NAME_CREATED),
    (
        kind::API_SERVICES,
        &[
            NAME,
            column("Service", Cell::Of(cells::api_service))
                .says("The service that serves this part of the API."),
            column("Available", Cell::Of(cells::available)).says("Whether it can be reached."),
            AGE,
        ],
    ),
];
