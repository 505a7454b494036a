//! The REST API of a cluster inside the process, and ready clients of it: no socket, no certificate.
//!
//! Not the server on a socket: that is [`api::rest::Server`](crate::api::rest::Server) over [`Cluster::rest`]. Invariant:
//! whoever is not an administrator may do what the roles in the cluster say, as over a socket.

use orch_api::rest::{Rbac, Rest};
#[cfg(any(feature = "kube", all(feature = "sim", feature = "remote")))]
use orch_core::User;

use crate::Cluster;

/// Whom a kubeconfig of kubeadm names: a member of the group that may do everything.
#[cfg(any(feature = "kube", all(feature = "sim", feature = "remote")))]
pub(crate) fn admin() -> User {
    let mut user = User::new("kubernetes-admin");
    user.groups = vec![orch_api::rest::MASTERS.into()];
    user
}

impl Cluster {
    /// The Kubernetes REST API of this cluster as a [`tower`](https://docs.rs/tower) service, with access by the roles in it
    /// and the logs of its pods. Requests that do not say who asks are anonymous: see [`Rest::acting_as`].
    ///
    /// ```
    /// # orch::core::sim::run(1, |env| async move {
    /// let cluster = orch::Cluster::builder().env(env).start().await.unwrap();
    /// let request = hyper::Request::get("/version").body(http_body_util::Empty::new()).unwrap();
    /// assert_eq!(cluster.rest().answer(request).await.status(), 200);
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn rest(&self) -> Rest {
        let make = || {
            let rest = Rest::builder(self.api(), self.env()).authorizer(Rbac::new(self.api()));
            rest.logs(self.pod_logs()).build()
        };
        self.inner().rest.get_or_init(make).clone()
    }

    /// A client of kube-rs that is the cluster's administrator, without a socket. Its default namespace is `default`. It may
    /// be asked for as often as one likes; it is to be made inside of a tokio runtime, as every `kube::Client`.
    ///
    /// Where time is virtual, what kube-rs waits for is virtual, too.
    ///
    /// ```
    /// # orch::core::sim::run(1, |env| async move {
    /// use k8s_openapi::api::core::v1::Namespace;
    /// let cluster = orch::Cluster::builder().env(env).start().await.unwrap();
    /// let namespaces: kube::Api<Namespace> = kube::Api::all(cluster.kube_client());
    /// let default = namespaces.get("default").await.unwrap();
    /// assert_eq!(default.status.unwrap().phase.as_deref(), Some("Active"));
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[cfg(feature = "kube")]
    #[must_use]
    pub fn kube_client(&self) -> kube::Client {
        self.kube_client_as(admin())
    }

    /// A client of kube-rs that is that user and nobody else, to try what its roles allow: for example
    /// `system:serviceaccount:shop:operator`. `system:authenticated` comes to its groups by itself. The roles that every cluster
    /// has by default are there once [`Rbac::bootstrap`] has made them.
    ///
    /// ```
    /// # orch::core::sim::run(1, |env| async move {
    /// use k8s_openapi::api::core::v1::Namespace;
    /// let cluster = orch::Cluster::builder().env(env).start().await.unwrap();
    /// let jane = cluster.kube_client_as(orch::core::User::new("jane"));
    /// let refused = kube::Api::<Namespace>::all(jane).get("default").await.unwrap_err();
    /// assert!(matches!(refused, kube::Error::Api(status) if status.code == 403));
    /// cluster.shutdown().await.unwrap();
    /// # });
    /// ```
    #[cfg(feature = "kube")]
    #[must_use]
    pub fn kube_client_as(&self, user: User) -> kube::Client {
        kube::Client::new(self.rest().acting_as(user), "default")
    }
}
