//! Secrets, service accounts and CA bundles in a cluster, and the effects of a rotation on them.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::simulator::cluster::credentials::ClusterCredentials;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::nodes::{POOL_LABEL, digest};
use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, ObjectMeta, StoredCertificateRequest, StoredObject,
    StoredSecret,
};
use crate::simulator::cluster::task_queue::{BATCHES, Task};
use crate::simulator::key_generation::request_with_key;
use crate::simulator::speed::later;

/// Label with the name of the new key that an object was encrypted or signed with.
const KEY_NAME: &str = "credentials.gardener.cloud/key-name";
/// Label with the name of a bundle.
const BUNDLE_NAME: &str = "credentials.gardener.cloud/ca-bundle-name";
/// Annotations of token Secrets: name and uid of the service account.
const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Label of token Secrets: day of the last use.
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// The `ConfigMap` with the CA bundle.
const ROOT_CA: &str = "kube-root-ca.crt";
/// Lifetime of a certificate from the CSR API, and of its request after approval.
const CERTIFICATE_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 365);
const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// Type of token Secrets.
const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";

impl DataPlane {
    /// Creates the Secrets that define the nodes of the current template, and removes older ones.
    pub(super) fn create_node_agent_secrets(&mut self, at: Timestamp) {
        let role = "operating-system-config";
        let old = self
            .store
            .keys(ObjectKind::Secret, |object| object.label("gardener.cloud/role") == Some(role));
        let pools: Vec<Arc<str>> = self.spec.pools.keys().cloned().collect();
        for pool in pools {
            let name = self.node_agent_secret(&pool, self.template);
            let checksum = self.node_agent_checksum(&pool, self.template);
            let script = format!("#!/bin/bash\n# nodes of pool {pool}, {checksum}\n");
            let mut meta = self.new_meta(ObjectKey::new("kube-system", name), at);
            meta.labels.insert("gardener.cloud/role".into(), role.into());
            meta.labels.insert(POOL_LABEL.into(), pool);
            meta.annotations.insert("checksum/data-script".into(), checksum.into());
            self.put_secret(meta, "Opaque", [("script", script)]);
        }
        for key in old {
            self.store.remove(ObjectKind::Secret, &key);
        }
    }

    fn put_secret<const N: usize>(
        &mut self,
        meta: ObjectMeta,
        kind: &'static str,
        data: [(&'static str, String); N],
    ) {
        let body = ObjectBody::Secret(StoredSecret { kind, data: data.into() });
        self.store.put(StoredObject { meta, body });
    }

    pub(super) fn create_secret(
        &mut self,
        namespace: &str,
        name: &str,
        kind: &'static str,
        at: Timestamp,
    ) {
        let meta = self.new_meta(ObjectKey::new(namespace, name), at);
        let value = self.rng.hex(32);
        self.put_secret(meta, kind, [("value", value)]);
    }

    /// Creates a namespace with its default service account and its bundle, unless it exists.
    pub(super) fn create_namespace(
        &mut self,
        name: &str,
        bundle: &str,
        at: Timestamp,
        written: Timestamp,
    ) {
        let key = ObjectKey::global(name);
        if self.store.get(ObjectKind::Namespace, &key).is_some() {
            return;
        }
        let mut meta = self.new_meta(key, at);
        meta.labels.insert("kubernetes.io/metadata.name".into(), name.into());
        self.store.put(StoredObject { meta, body: ObjectBody::Namespace });
        self.create_account(&ObjectKey::new(name, "default"), at);
        let mut meta = self.new_meta(ObjectKey::new(name, ROOT_CA), at);
        write_bundle(&mut meta, bundle, written);
        self.store.put(StoredObject { meta, body: bundle_body(bundle) });
    }

    pub(super) fn create_account(&mut self, key: &ObjectKey, at: Timestamp) {
        let meta = self.new_meta(key.clone(), at);
        self.store.put(StoredObject { meta, body: ObjectBody::ServiceAccount(Vec::new()) });
    }

    /// Signs a client certificate for a user; its request is removed later.
    pub(super) fn create_certificate_request(
        &mut self,
        user: &str,
        credentials: &mut ClusterCredentials,
        at: Timestamp,
    ) {
        let until = later(at, CERTIFICATE_LIFETIME);
        let Ok(client) = credentials.issue_client(user, at, until) else { return };
        let request = request_with_key(user, &client.key).unwrap_or_default();
        let key = ObjectKey::global(format!("{user}-{}", self.rng.hex(5)));
        let meta = self.new_meta(key.clone(), at);
        let body = ObjectBody::CertificateRequest(Box::new(StoredCertificateRequest {
            user: user.into(),
            request,
            certificate: client.certificate,
        }));
        self.store.put(StoredObject { meta, body });
        let removed = self.speed.after(at, REQUEST_LIFETIME);
        self.tasks.add(removed, Task::RemoveCertificateRequest(key));
    }

    /// Creates a token Secret of a service account, which lists it if Kubernetes created it.
    pub(super) fn create_token_secret(
        &mut self,
        account: &ObjectKey,
        listed: bool,
        credentials: &mut ClusterCredentials,
        bundle: &str,
        at: Timestamp,
    ) -> Option<ObjectKey> {
        let object = self.store.get(ObjectKind::ServiceAccount, account)?;
        let uid = Arc::clone(&object.meta.uid);
        let ObjectKey { namespace, name: account_name } = account;
        let mut name = format!("{account_name}-token");
        if listed {
            name += &format!("-{}", self.rng.hex(6));
        }
        let key = account.sibling(name);
        let claims = json!({
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": &**namespace,
            "kubernetes.io/serviceaccount/secret.name": &*key.name,
            "kubernetes.io/serviceaccount/service-account.name": &**account_name,
            "kubernetes.io/serviceaccount/service-account.uid": &*uid,
            "sub": format!("system:serviceaccount:{namespace}:{account_name}"),
        });
        let token = credentials.sign(&claims);
        let mut meta = self.new_meta(key.clone(), at);
        meta.annotations.insert(ACCOUNT_NAME.into(), Arc::clone(account_name));
        meta.annotations.insert(ACCOUNT_UID.into(), uid);
        let namespace = namespace.to_string();
        let data = [("ca.crt", bundle.to_owned()), ("namespace", namespace), ("token", token)];
        self.put_secret(meta, TOKEN_SECRET, data);
        if listed {
            self.store.edit(ObjectKind::ServiceAccount, account, |object| {
                if let Some(secrets) = object.service_account_mut() {
                    secrets.push(Arc::clone(&key.name));
                }
            });
        }
        Some(key)
    }

    /// Re-encrypts a batch of Secrets with a new key, as shown by a label.
    pub(super) fn reencrypt_secrets(&mut self, batch: usize, generation: u32) {
        let hash = digest(&[&self.spec.shoot_id, "etcd", &generation.to_string()], 8);
        let name: Arc<str> = format!("kube-apiserver-etcd-encryption-key-{hash}").into();
        for key in self.batch(ObjectKind::Secret, batch) {
            self.store.edit(ObjectKind::Secret, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), Arc::clone(&name));
            });
        }
    }

    fn batch(&self, kind: ObjectKind, batch: usize) -> Vec<ObjectKey> {
        let all = self.store.list(kind).count();
        let (from, to) = (all * batch / BATCHES, all * (batch + 1) / BATCHES);
        let objects = self.store.list(kind).skip(from).take(to - from);
        objects.map(|object| object.meta.key.clone()).collect()
    }

    /// Creates new token Secrets beside the listed ones, signed with the new key.
    pub(super) fn renew_tokens(
        &mut self,
        credentials: &mut ClusterCredentials,
        bundle: &str,
        at: Timestamp,
    ) {
        let hash = digest(&[&self.spec.shoot_id, "sa", &credentials.signing.to_string()], 8);
        let name: Arc<str> = format!("service-account-key-{hash}").into();
        for key in self.store.keys(ObjectKind::ServiceAccount, |_| true) {
            let account = self.store.get(ObjectKind::ServiceAccount, &key);
            let secrets = account.and_then(|account| account.service_account());
            if secrets.is_some_and(|secrets| !secrets.is_empty()) {
                self.create_token_secret(&key, true, credentials, bundle, at);
            }
            self.store.edit(ObjectKind::ServiceAccount, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), Arc::clone(&name));
            });
        }
    }

    /// Publishes a bundle in a batch of the namespaces.
    pub(super) fn publish_bundle(&mut self, batch: usize, bundle: &str, at: Timestamp) {
        for namespace in self.batch(ObjectKind::Namespace, batch) {
            let namespace = namespace.name;
            let key = ObjectKey::new(Arc::clone(&namespace), ROOT_CA);
            self.store.edit(ObjectKind::ConfigMap, &key, |object| {
                object.body = bundle_body(bundle);
                write_bundle(&mut object.meta, bundle, at);
            });
            let token_secrets = self.store.keys(ObjectKind::Secret, |object| {
                object.meta.key.namespace == namespace
                    && object.secret().is_some_and(|secret| secret.kind == TOKEN_SECRET)
            });
            for key in token_secrets {
                self.store.edit(ObjectKind::Secret, &key, |object| {
                    if let Some(secret) = object.secret_mut() {
                        secret.data.insert("ca.crt", bundle.to_owned());
                    }
                });
            }
        }
    }

    /// Removes remains of the old generation: all listed Secrets but the newest of each account, and labels.
    pub(super) fn remove_old_generation(&mut self, bundle: &str, at: Timestamp) {
        for account in self.store.keys(ObjectKind::ServiceAccount, |_| true) {
            let mut old = Vec::new();
            self.store.edit(ObjectKind::ServiceAccount, &account, |object| {
                if let Some(secrets) = object.service_account_mut()
                    && let Some(newest) = secrets.pop()
                {
                    old = std::mem::replace(secrets, vec![newest]);
                }
            });
            for name in old {
                self.store.remove(ObjectKind::Secret, &account.sibling(name));
            }
        }
        for key in self.store.keys(ObjectKind::Secret, |_| true) {
            self.store.edit(ObjectKind::Secret, &key, |object| {
                object.meta.labels.remove(KEY_NAME);
            });
        }
        for batch in 0..BATCHES {
            self.publish_bundle(batch, bundle, at);
        }
    }

    /// Whether the claims of a token match an existing account and Secret, which is marked as used.
    pub fn accept_secret_token(&mut self, claims: &Value, at: Timestamp) -> bool {
        let claim = |name: &str| {
            let value = claims.get(format!("kubernetes.io/serviceaccount/{name}"));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let account = ObjectKey::new(claim("namespace"), claim("service-account.name"));
        let secret = account.sibling(claim("secret.name"));
        let object = self.store.get(ObjectKind::ServiceAccount, &account);
        object.is_some_and(|object| *object.meta.uid == *claim("service-account.uid"))
            && self.mark_used(&secret, at)
    }

    /// Marks a token Secret as used; returns whether it exists.
    pub(super) fn mark_used(&mut self, secret: &ObjectKey, at: Timestamp) -> bool {
        let day = at.strftime("%Y-%m-%d").to_string();
        self.store.edit(ObjectKind::Secret, secret, |object| {
            object.meta.labels.insert(LAST_USED.into(), day.into());
        })
    }
}

fn write_bundle(meta: &mut ObjectMeta, bundle: &str, at: Timestamp) {
    let name = format!("ca-bundle-{}", digest(&[bundle], 8));
    meta.labels.insert(BUNDLE_NAME.into(), name.into());
    meta.written = Some(at);
}

fn bundle_body(bundle: &str) -> ObjectBody {
    ObjectBody::ConfigMap([("ca.crt".to_owned(), bundle.to_owned())].into())
}
