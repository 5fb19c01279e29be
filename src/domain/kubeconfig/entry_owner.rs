//! The cluster that the entries of a file belong to, by the URL of their API server.

use crate::domain::cluster::ClusterId;
use crate::domain::text::clean;

/// What identifies the cluster that a kubeconfig is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterIdentity {
    /// Its SKE address, before anything is issued: the API does not report the server.
    Address(ClusterId),
    /// Its API server, from the issued kubeconfig.
    Server(String),
}

/// The cluster that an entry belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum EntryOwner {
    /// The cluster cannot be identified.
    #[default]
    Unknown,
    /// A server about which nothing else is known.
    At(String),
    /// A cluster with this name in this region; another project may have one, too.
    Alike(String),
    /// This very cluster.
    This,
    Another(String),
}

impl EntryOwner {
    /// A suffix such as ", for another cluster (shop-prod in eu02)"; empty if unknown.
    pub fn describe(&self) -> String {
        match self {
            Self::Unknown => String::new(),
            Self::At(who) | Self::Alike(who) => format!(", for {who}"),
            Self::This => ", for this cluster".to_owned(),
            Self::Another(who) => format!(", for another cluster ({who})"),
        }
    }
}

/// The cluster that a server belongs to.
pub(in crate::domain::kubeconfig) fn owner_of_server(
    server: &str,
    known: &ClusterIdentity,
) -> EntryOwner {
    let found = server_address(server);
    let who = || match ske(&found) {
        Some((name, region)) => format!("{} in {}", clean(name), clean(region)),
        None => clean(&found),
    };
    match known {
        ClusterIdentity::Server(server) if server_address(server) == found => EntryOwner::This,
        ClusterIdentity::Server(server) => {
            // Two with the same name and region differ in the rest.
            let mine = server_address(server);
            let named = ske(&mine).is_some_and(|mine| ske(&found) != Some(mine));
            EntryOwner::Another(if named { who() } else { clean(&found) })
        }
        ClusterIdentity::Address(id) => match ske(&found) {
            None => EntryOwner::At(who()),
            Some(_) if is_address_of(&found, id) => EntryOwner::Alike(who()),
            Some(_) => EntryOwner::Another(who()),
        },
    }
}

/// Host and port of a server, in lower case, without a possible password.
pub fn server_address(server: &str) -> String {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    host.strip_suffix(":443").unwrap_or(host).to_ascii_lowercase()
}

/// As [`server_address`], with the path, if there is one: kubectl prepends it to each request.
pub(in crate::domain::kubeconfig) fn server_with_path(server: &str) -> String {
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let path = rest.split(['?', '#']).next().and_then(|rest| rest.split_once('/'));
    let path = path.map(|(_, path)| path.trim_matches('/')).filter(|path| !path.is_empty());
    let address = server_address(server);
    match path {
        Some(path) => format!("{address}/{path}"),
        None => address,
    }
}

/// Whether an address ([`server_address`]) is an SKE address for a cluster with this name and region; another project
/// may have one, too.
pub fn is_address_of(address: &str, cluster: &ClusterId) -> bool {
    ske(address) == Some((cluster.name.as_str(), cluster.region().as_str()))
}

/// The cluster name in an SKE address.
pub fn name_in_address(address: &str) -> Option<&str> {
    ske(address).map(|(name, _region)| name)
}

/// Name and region in `api.<name>.<10 hex>.s.ske.<region>.onstackit.cloud`.
fn ske(host: &str) -> Option<(&str, &str)> {
    let host = host.split([':', '/']).next().unwrap_or_default();
    let (cluster, place) = host.strip_prefix("api.")?.split_once(".s.ske.")?;
    let (name, id) = cluster.split_once('.')?;
    let region = place.strip_suffix(".onstackit.cloud")?;
    let is_id = id.len() == 10 && id.chars().all(|c| c.is_ascii_hexdigit());
    (is_id && !name.is_empty() && !region.contains('.')).then_some((name, region))
}

#[cfg(test)]
mod tests {
    use crate::domain::cluster::ClusterId;
    use crate::domain::kubeconfig::entry_owner::{
        ClusterIdentity, EntryOwner, name_in_address, owner_of_server,
    };

    fn server(name: &str, id: &str, region: &str) -> String {
        format!("https://api.{name}.{id}.s.ske.{region}.onstackit.cloud")
    }

    #[test]
    fn before_issuing_name_and_region_tell() {
        let known = ClusterIdentity::Address(ClusterId::new("p", "eu01", "shop"));
        let of = |server: &str| owner_of_server(server, &known);
        assert_eq!(
            of(&server("shop", "0a1b2c3d4e", "eu01")),
            EntryOwner::Alike("shop in eu01".to_owned())
        );
        assert_eq!(
            of(&server("shop", "0a1b2c3d4e", "eu02")),
            EntryOwner::Another("shop in eu02".to_owned())
        );
        assert_eq!(
            of("https://me:secret@one.example:6443/x"),
            EntryOwner::At("one.example:6443".to_owned())
        );
    }

    #[test]
    fn once_issued_the_server_tells() {
        let mine = server("shop", "0a1b2c3d4e", "eu01");
        let known = ClusterIdentity::Server(mine.clone());
        assert_eq!(
            owner_of_server(&format!("{}:443/", mine.to_uppercase()), &known),
            EntryOwner::This
        );
        let other = owner_of_server(&server("shop", "ffffffffff", "eu01"), &known);
        assert_eq!(
            other,
            EntryOwner::Another("api.shop.ffffffffff.s.ske.eu01.onstackit.cloud".to_owned())
        );
        assert!(matches!(
            owner_of_server("https://127.0.0.1:6443", &known),
            EntryOwner::Another(_)
        ));
    }

    #[test]
    fn an_address_of_ske_is_one_in_every_part() {
        for (address, name) in [
            ("api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", Some("shop")),
            ("api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud:6443", Some("shop")),
            ("shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud", None),
            ("api.shop.0a1b2c3d4.s.ske.eu01.onstackit.cloud", None),
            ("api.shop.0a1b2c3d4x.s.ske.eu01.onstackit.cloud", None),
            ("api.shop.xxxxxxxxxx.s.ske.eu01.onstackit.cloud", None),
            ("api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud/k8s", Some("shop")),
            ("api..0a1b2c3d4e.s.ske.eu01.onstackit.cloud", None),
            ("api.shop.0a1b2c3d4e.s.ske.eu01.evil.onstackit.cloud", None),
            ("api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud.evil", None),
        ] {
            assert_eq!(name_in_address(address), name, "{address}");
        }
    }

    #[test]
    fn whose_an_entry_is_is_named_as_far_as_its_address_tells() {
        let ske = server("shop", "0a1b2c3d4e", "eu01");
        let other = server("db", "0a1b2c3d4e", "eu02");
        let host = |server: &str| server.trim_start_matches("https://").to_owned();
        let by_server = |mine: &str| ClusterIdentity::Server(mine.to_owned());
        let by_name = ClusterIdentity::Address(ClusterId::new("p", "eu01", "shop"));
        let another = |who: &str| format!(", for another cluster ({who})");
        for (found, known, words) in [
            (&*ske, by_server(&ske), ", for this cluster".to_owned()),
            (&other, by_server(&ske), another("db in eu02")),
            // Behind a name of the user's own, name and region say nothing about which one it is.
            (&ske, by_server("https://127.0.0.1:6443"), another(&host(&ske))),
            (&ske, by_name.clone(), ", for shop in eu01".to_owned()),
            ("https://one.example", by_name, ", for one.example".to_owned()),
        ] {
            let owner = owner_of_server(found, &known);
            assert_eq!(owner.describe(), words, "{found}");
        }
        assert_eq!(EntryOwner::Unknown.describe(), "");
    }
}
