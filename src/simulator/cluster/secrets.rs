//! Secrets, service accounts and bundles inside a cluster, and what a rotation does to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::credentials::ClusterCredentials;
use crate::simulator::cluster::data_plane::{DataPlane, text};
use crate::simulator::cluster::nodes::{POOL_LABEL, digest};
use crate::simulator::cluster::objects::{
    ObjectBody, ObjectKey, ObjectKind, StoredObject, StoredSecret, TOKEN_SECRET, Text,
};
use crate::simulator::cluster::task_queue::PARTS;

/// Label of what was written with, or signed with, which key.
pub const KEY_NAME: &str = "credentials.gardener.cloud/key-name";
/// Label of bundles: which one.
const BUNDLE_NAME: &str = "credentials.gardener.cloud/ca-bundle-name";
/// Annotation of token Secrets: the account.
pub const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// Annotation of token Secrets: its uid.
pub const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// Label of token Secrets: the day of the last use.
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// The `ConfigMap` with the bundle.
const ROOT: &str = "kube-root-ca.crt";

impl DataPlane {
    /// The Secrets that describe the nodes of the present template; older ones are removed.
    pub(in crate::simulator::cluster) fn create_node_agent_secrets(&mut self, at: Timestamp) {
        let old: Vec<ObjectKey> = self
            .store
            .list(ObjectKind::Secret)
            .filter(|object| object.label("gardener.cloud/role") == Some("operating-system-config"))
            .map(|object| object.meta.key.clone())
            .collect();
        let pools: Vec<Text> = self.spec.pools.keys().cloned().collect();
        for pool in pools {
            let key = ObjectKey::new("kube-system", &self.template_name(&pool, self.template));
            let checksum = self.template_checksum(&pool, self.template);
            let mut meta = self.meta(key, at);
            meta.labels.insert("gardener.cloud/role".into(), text("operating-system-config"));
            meta.labels.insert(POOL_LABEL.into(), Text::clone(&pool));
            meta.annotations.insert("checksum/data-script".into(), checksum.as_str().into());
            let script = format!("#!/bin/bash\n# nodes of pool {pool}, {checksum}\n");
            self.put_secret(meta, "Opaque", [("script", script)]);
        }
        for key in old {
            self.store.remove(ObjectKind::Secret, &key);
        }
    }

    fn put_secret<const N: usize>(
        &mut self,
        meta: crate::simulator::cluster::objects::ObjectMeta,
        kind: &'static str,
        data: [(&'static str, String); N],
    ) {
        self.store.put(StoredObject {
            meta,
            body: ObjectBody::Secret(StoredSecret { kind, data: data.into() }),
        });
    }

    /// A Secret that somebody keeps.
    pub(in crate::simulator::cluster) fn make_secret(
        &mut self,
        namespace: &str,
        name: &str,
        kind: &'static str,
        at: Timestamp,
    ) {
        let meta = self.meta(ObjectKey::new(namespace, name), at);
        let value = self.rng.hex(32);
        self.put_secret(meta, kind, [("value", value)]);
    }

    /// A namespace with what each one has.
    pub(in crate::simulator::cluster) fn make_namespace(
        &mut self,
        name: &str,
        bundle: &str,
        at: Timestamp,
        written: Timestamp,
    ) {
        if self.store.get(ObjectKind::Namespace, &ObjectKey::global(name)).is_some() {
            return;
        }
        let mut meta = self.meta(ObjectKey::global(name), at);
        meta.labels.insert("kubernetes.io/metadata.name".into(), text(name));
        self.store.put(StoredObject { meta, body: ObjectBody::Namespace });
        let meta = self.meta(ObjectKey::new(name, "default"), at);
        self.store.put(StoredObject { meta, body: ObjectBody::ServiceAccount(Vec::new()) });
        let mut meta = self.meta(ObjectKey::new(name, ROOT), at);
        meta.written = Some(written);
        meta.labels.insert(BUNDLE_NAME.into(), bundle_name(bundle));
        let data = [("ca.crt".to_owned(), bundle.to_owned())].into();
        self.store.put(StoredObject { meta, body: ObjectBody::ConfigMap(data) });
    }

    /// A service account.
    pub(in crate::simulator::cluster) fn make_account(&mut self, key: &ObjectKey, at: Timestamp) {
        let meta = self.meta(key.clone(), at);
        self.store.put(StoredObject { meta, body: ObjectBody::ServiceAccount(Vec::new()) });
    }

    /// A Secret with a token of a service account; listed in the account if Kubernetes made it.
    pub(in crate::simulator::cluster) fn make_token(
        &mut self,
        account: &ObjectKey,
        listed: bool,
        credentials: &mut ClusterCredentials,
        bundle: &str,
        at: Timestamp,
    ) -> Option<ObjectKey> {
        let uid = Text::clone(&self.store.get(ObjectKind::ServiceAccount, account)?.meta.uid);
        let name = if listed {
            format!("{}-token-{}", account.name, self.rng.hex(6))
        } else {
            format!("{}-token", account.name)
        };
        let key = ObjectKey { namespace: Text::clone(&account.namespace), name: name.into() };
        let (namespace, account_name) = (&account.namespace, &account.name);
        let claims = json!({
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": &**namespace,
            "kubernetes.io/serviceaccount/secret.name": &*key.name,
            "kubernetes.io/serviceaccount/service-account.name": &**account_name,
            "kubernetes.io/serviceaccount/service-account.uid": &*uid,
            "sub": format!("system:serviceaccount:{namespace}:{account_name}"),
        });
        let token = credentials.sign(&claims);
        let mut meta = self.meta(key.clone(), at);
        meta.annotations.insert(ACCOUNT_NAME.into(), Text::clone(account_name));
        meta.annotations.insert(ACCOUNT_UID.into(), uid);
        let namespace = namespace.to_string();
        let data = [("ca.crt", bundle.to_owned()), ("namespace", namespace), ("token", token)];
        self.put_secret(meta, TOKEN_SECRET, data);
        if listed {
            let name = Text::clone(&key.name);
            self.store.edit(ObjectKind::ServiceAccount, account, |object| {
                if let ObjectBody::ServiceAccount(secrets) = &mut object.body {
                    secrets.push(name);
                }
            });
        }
        Some(key)
    }

    /// Writes one part of the Secrets with the new encryption key, which a label tells.
    pub(in crate::simulator::cluster) fn reencrypt_secrets(
        &mut self,
        number: usize,
        generation: u32,
    ) {
        let name = format!(
            "kube-apiserver-etcd-encryption-key-{}",
            digest(&[&self.spec.shoot, "etcd", &generation.to_string()], 8)
        );
        for key in self.part_of(ObjectKind::Secret, number) {
            self.store.edit(ObjectKind::Secret, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), text(&name));
            });
        }
    }

    fn part_of(&self, kind: ObjectKind, number: usize) -> Vec<ObjectKey> {
        let all = self.store.count(kind);
        let (from, to) = (all * number / PARTS, all * (number + 1) / PARTS);
        self.store
            .list(kind)
            .skip(from)
            .take(to - from)
            .map(|object| object.meta.key.clone())
            .collect()
    }

    /// New tokens beside the listed ones, signed with the new key.
    pub(in crate::simulator::cluster) fn renew_tokens(
        &mut self,
        credentials: &mut ClusterCredentials,
        bundle: &str,
        at: Timestamp,
    ) {
        let hash = digest(&[&self.spec.shoot, "sa", &credentials.signing.to_string()], 8);
        let name = format!("service-account-key-{hash}");
        let accounts: Vec<(ObjectKey, bool)> = self
            .store
            .list(ObjectKind::ServiceAccount)
            .map(|object| {
                let listed =
                    matches!(&object.body, ObjectBody::ServiceAccount(list) if !list.is_empty());
                (object.meta.key.clone(), listed)
            })
            .collect();
        for (key, listed) in accounts {
            if listed {
                self.make_token(&key, true, credentials, bundle, at);
            }
            self.store.edit(ObjectKind::ServiceAccount, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), text(&name));
            });
        }
    }

    /// One part of the namespaces gets the bundle as it is now.
    pub(in crate::simulator::cluster) fn publish_bundle(
        &mut self,
        number: usize,
        bundle: &str,
        at: Timestamp,
    ) {
        let namespaces = self.part_of(ObjectKind::Namespace, number);
        for namespace in namespaces {
            let key = ObjectKey::new(&namespace.name, ROOT);
            self.store.edit(ObjectKind::ConfigMap, &key, |object| {
                let data: BTreeMap<_, _> = [("ca.crt".to_owned(), bundle.to_owned())].into();
                object.body = ObjectBody::ConfigMap(data);
                object.meta.labels.insert(BUNDLE_NAME.into(), bundle_name(bundle));
                object.meta.written = Some(at);
            });
            self.refresh_bundles(&namespace.name, bundle);
        }
    }

    fn refresh_bundles(&mut self, namespace: &Text, bundle: &str) {
        let secrets: Vec<ObjectKey> = self
            .store
            .list(ObjectKind::Secret)
            .filter(|object| object.meta.key.namespace == *namespace)
            .filter(|object| object.secret().is_some_and(|secret| secret.kind == TOKEN_SECRET))
            .map(|object| object.meta.key.clone())
            .collect();
        for key in secrets {
            self.store.edit(ObjectKind::Secret, &key, |object| {
                if let ObjectBody::Secret(secret) = &mut object.body {
                    secret.data.insert("ca.crt", bundle.to_owned());
                }
            });
        }
    }

    /// What is left of the old generation is removed: listed Secrets but the newest of each account, and labels.
    pub(in crate::simulator::cluster) fn remove_old_generation(
        &mut self,
        bundle: &str,
        at: Timestamp,
    ) {
        let accounts: Vec<ObjectKey> = self
            .store
            .list(ObjectKind::ServiceAccount)
            .map(|object| object.meta.key.clone())
            .collect();
        for account in accounts {
            let mut old = Vec::new();
            self.store.edit(ObjectKind::ServiceAccount, &account, |object| {
                if let ObjectBody::ServiceAccount(secrets) = &mut object.body
                    && let Some(newest) = secrets.pop()
                {
                    old = std::mem::replace(secrets, vec![newest]);
                }
            });
            for name in old {
                let namespace = Text::clone(&account.namespace);
                self.store.remove(ObjectKind::Secret, &ObjectKey { namespace, name });
            }
        }
        let secrets: Vec<ObjectKey> =
            self.store.list(ObjectKind::Secret).map(|object| object.meta.key.clone()).collect();
        for key in secrets {
            self.store.edit(ObjectKind::Secret, &key, |object| {
                object.meta.labels.remove(KEY_NAME);
            });
        }
        for number in 0..PARTS {
            self.publish_bundle(number, bundle, at);
        }
    }

    /// Whether a token's claims are those of an account and Secret that are there; marks the Secret as used.
    pub fn accept_secret_token(&mut self, claims: &Value, at: Timestamp) -> bool {
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let Some(namespace) = claim("kubernetes.io/serviceaccount/namespace") else {
            return false;
        };
        let account = claim("kubernetes.io/serviceaccount/service-account.name").unwrap_or("");
        let secret = claim("kubernetes.io/serviceaccount/secret.name").unwrap_or("");
        let there = self
            .store
            .get(ObjectKind::ServiceAccount, &ObjectKey::new(namespace, account))
            .is_some_and(|object| {
                claim("kubernetes.io/serviceaccount/service-account.uid") == Some(&*object.meta.uid)
            });
        there && self.use_token(&ObjectKey::new(namespace, secret), at)
    }

    fn use_token(&mut self, secret: &ObjectKey, at: Timestamp) -> bool {
        let day = at.strftime("%Y-%m-%d").to_string();
        self.store.edit(ObjectKind::Secret, secret, |object| {
            object.meta.labels.insert(LAST_USED.into(), day.as_str().into());
        })
    }
}

/// Name of a bundle, which follows from its content.
fn bundle_name(bundle: &str) -> Text {
    format!("ca-bundle-{}", digest(&[bundle], 8)).into()
}
