//! Secrets, service accounts and bundles inside a cluster, and what a rotation does to them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::agenda::PARTS;
use crate::simulator::cluster::credentials::Credentials;
use crate::simulator::cluster::interior::{Interior, text};
use crate::simulator::cluster::nodes::{POOL, digest};
use crate::simulator::cluster::objects::{Body, Key, Kind, Object, Secret, TOKEN_SECRET, Text};

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

impl Interior {
    /// The Secrets that describe the nodes of the present template; older ones are removed.
    pub(in crate::simulator::cluster) fn make_templates(&mut self, at: Timestamp) {
        let old: Vec<Key> = self
            .store
            .list(Kind::Secret)
            .filter(|object| object.label("gardener.cloud/role") == Some("operating-system-config"))
            .map(|object| object.meta.key.clone())
            .collect();
        let pools: Vec<Text> = self.about.pools.keys().cloned().collect();
        for pool in pools {
            let key = Key::new("kube-system", &self.template_name(&pool, self.template));
            let checksum = self.template_checksum(&pool, self.template);
            let mut meta = self.meta(key, at);
            meta.labels.insert("gardener.cloud/role".into(), text("operating-system-config"));
            meta.labels.insert(POOL.into(), Text::clone(&pool));
            meta.annotations.insert("checksum/data-script".into(), checksum.as_str().into());
            let script = format!("#!/bin/bash\n# nodes of pool {pool}, {checksum}\n");
            self.put_secret(meta, "Opaque", [("script", script)]);
        }
        for key in old {
            self.store.remove(Kind::Secret, &key);
        }
    }

    fn put_secret<const N: usize>(
        &mut self,
        meta: crate::simulator::cluster::objects::Meta,
        kind: &'static str,
        data: [(&'static str, String); N],
    ) {
        self.store.put(Object { meta, body: Body::Secret(Secret { kind, data: data.into() }) });
    }

    /// A Secret that somebody keeps.
    pub(in crate::simulator::cluster) fn make_secret(
        &mut self,
        namespace: &str,
        name: &str,
        kind: &'static str,
        at: Timestamp,
    ) {
        let meta = self.meta(Key::new(namespace, name), at);
        let value = self.dice.hex(32);
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
        if self.store.get(Kind::Namespace, &Key::global(name)).is_some() {
            return;
        }
        let mut meta = self.meta(Key::global(name), at);
        meta.labels.insert("kubernetes.io/metadata.name".into(), text(name));
        self.store.put(Object { meta, body: Body::Namespace });
        let meta = self.meta(Key::new(name, "default"), at);
        self.store.put(Object { meta, body: Body::ServiceAccount(Vec::new()) });
        let mut meta = self.meta(Key::new(name, ROOT), at);
        meta.written = Some(written);
        meta.labels.insert(BUNDLE_NAME.into(), bundle_name(bundle));
        let data = [("ca.crt".to_owned(), bundle.to_owned())].into();
        self.store.put(Object { meta, body: Body::ConfigMap(data) });
    }

    /// A service account.
    pub(in crate::simulator::cluster) fn make_account(&mut self, key: &Key, at: Timestamp) {
        let meta = self.meta(key.clone(), at);
        self.store.put(Object { meta, body: Body::ServiceAccount(Vec::new()) });
    }

    /// A Secret with a token of a service account; listed in the account if Kubernetes made it.
    pub(in crate::simulator::cluster) fn make_token(
        &mut self,
        account: &Key,
        listed: bool,
        credentials: &mut Credentials,
        bundle: &str,
        at: Timestamp,
    ) -> Option<Key> {
        let uid = Text::clone(&self.store.get(Kind::ServiceAccount, account)?.meta.uid);
        let name = if listed {
            format!("{}-token-{}", account.name, self.dice.hex(6))
        } else {
            format!("{}-token", account.name)
        };
        let key = Key { namespace: Text::clone(&account.namespace), name: name.into() };
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
            self.store.edit(Kind::ServiceAccount, account, |object| {
                if let Body::ServiceAccount(secrets) = &mut object.body {
                    secrets.push(name);
                }
            });
        }
        Some(key)
    }

    /// Writes one part of the Secrets with the new encryption key, which a label tells.
    pub(in crate::simulator::cluster) fn reencrypt(&mut self, number: usize, generation: u32) {
        let name = format!(
            "kube-apiserver-etcd-encryption-key-{}",
            digest(&[&self.about.shoot, "etcd", &generation.to_string()], 8)
        );
        for key in self.part_of(Kind::Secret, number) {
            self.store.edit(Kind::Secret, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), text(&name));
            });
        }
    }

    fn part_of(&self, kind: Kind, number: usize) -> Vec<Key> {
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
        credentials: &mut Credentials,
        bundle: &str,
        at: Timestamp,
    ) {
        let hash = digest(&[&self.about.shoot, "sa", &credentials.signing.to_string()], 8);
        let name = format!("service-account-key-{hash}");
        let accounts: Vec<(Key, bool)> = self
            .store
            .list(Kind::ServiceAccount)
            .map(|object| {
                let listed = matches!(&object.body, Body::ServiceAccount(list) if !list.is_empty());
                (object.meta.key.clone(), listed)
            })
            .collect();
        for (key, listed) in accounts {
            if listed {
                self.make_token(&key, true, credentials, bundle, at);
            }
            self.store.edit(Kind::ServiceAccount, &key, |object| {
                object.meta.labels.insert(KEY_NAME.into(), text(&name));
            });
        }
    }

    /// One part of the namespaces gets the bundle as it is now.
    pub(in crate::simulator::cluster) fn publish(
        &mut self,
        number: usize,
        bundle: &str,
        at: Timestamp,
    ) {
        let namespaces = self.part_of(Kind::Namespace, number);
        for namespace in namespaces {
            let key = Key::new(&namespace.name, ROOT);
            self.store.edit(Kind::ConfigMap, &key, |object| {
                let data: BTreeMap<_, _> = [("ca.crt".to_owned(), bundle.to_owned())].into();
                object.body = Body::ConfigMap(data);
                object.meta.labels.insert(BUNDLE_NAME.into(), bundle_name(bundle));
                object.meta.written = Some(at);
            });
            self.refresh_bundles(&namespace.name, bundle);
        }
    }

    fn refresh_bundles(&mut self, namespace: &Text, bundle: &str) {
        let secrets: Vec<Key> = self
            .store
            .list(Kind::Secret)
            .filter(|object| object.meta.key.namespace == *namespace)
            .filter(|object| object.secret().is_some_and(|secret| secret.kind == TOKEN_SECRET))
            .map(|object| object.meta.key.clone())
            .collect();
        for key in secrets {
            self.store.edit(Kind::Secret, &key, |object| {
                if let Body::Secret(secret) = &mut object.body {
                    secret.data.insert("ca.crt", bundle.to_owned());
                }
            });
        }
    }

    /// What is left of the old generation is removed: listed Secrets but the newest of each account, and labels.
    pub(in crate::simulator::cluster) fn forget_old(&mut self, bundle: &str, at: Timestamp) {
        let accounts: Vec<Key> =
            self.store.list(Kind::ServiceAccount).map(|object| object.meta.key.clone()).collect();
        for account in accounts {
            let mut old = Vec::new();
            self.store.edit(Kind::ServiceAccount, &account, |object| {
                if let Body::ServiceAccount(secrets) = &mut object.body
                    && let Some(newest) = secrets.pop()
                {
                    old = std::mem::replace(secrets, vec![newest]);
                }
            });
            for name in old {
                let namespace = Text::clone(&account.namespace);
                self.store.remove(Kind::Secret, &Key { namespace, name });
            }
        }
        let secrets: Vec<Key> =
            self.store.list(Kind::Secret).map(|object| object.meta.key.clone()).collect();
        for key in secrets {
            self.store.edit(Kind::Secret, &key, |object| {
                object.meta.labels.remove(KEY_NAME);
            });
        }
        for number in 0..PARTS {
            self.publish(number, bundle, at);
        }
    }

    /// Whether a token's claims are those of an account and Secret that are there; marks the Secret as used.
    pub fn knows_token(&mut self, claims: &Value, at: Timestamp) -> bool {
        let claim = |name: &str| claims.get(name).and_then(Value::as_str);
        let Some(namespace) = claim("kubernetes.io/serviceaccount/namespace") else {
            return false;
        };
        let account = claim("kubernetes.io/serviceaccount/service-account.name").unwrap_or("");
        let secret = claim("kubernetes.io/serviceaccount/secret.name").unwrap_or("");
        let there = self
            .store
            .get(Kind::ServiceAccount, &Key::new(namespace, account))
            .is_some_and(|object| {
                claim("kubernetes.io/serviceaccount/service-account.uid") == Some(&*object.meta.uid)
            });
        there && self.use_token(&Key::new(namespace, secret), at)
    }

    fn use_token(&mut self, secret: &Key, at: Timestamp) -> bool {
        let day = at.strftime("%Y-%m-%d").to_string();
        self.store.edit(Kind::Secret, secret, |object| {
            object.meta.labels.insert(LAST_USED.into(), day.as_str().into());
        })
    }
}

/// Name of a bundle, which follows from its content.
fn bundle_name(bundle: &str) -> Text {
    format!("ca-bundle-{}", digest(&[bundle], 8)).into()
}
