//! Finds contexts that use a static token for a cluster; such tokens die at *start*.

use serde_json::Value;

use crate::domain::cluster::ClusterId;
use crate::domain::kubeconfig::document;
use crate::domain::kubeconfig::entry_owner::is_server_of;
use crate::domain::text::clean;

/// Names of contexts whose server belongs to the cluster and whose user has a token that is no JWT.
/// A text that cannot be read has none.
pub fn static_tokens(text: &str, cluster: &ClusterId) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    if !matches!(document::parse_tree(text), Ok(Some(_))) {
        return Vec::new();
    }
    let Ok(root) = document::parse_values(text) else { return Vec::new() };
    let list = |key: &str| root.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let (clusters, users) = (list("clusters"), list("users"));
    let named = |list: &[Value], name: Option<&Value>, field: &str| -> Option<Value> {
        list.iter().find(|entry| entry.get("name") == name)?.get(field).cloned()
    };
    list("contexts")
        .iter()
        .filter_map(|entry| {
            let context = entry.get("context")?;
            let server = named(&clusters, Some(context.get("cluster")?), "cluster")?;
            let user = named(&users, Some(context.get("user")?), "user")?;
            let token = user.get("token")?.as_str()?;
            (is_server_of(server.get("server")?.as_str()?, cluster) && !is_jwt(token))
                .then(|| clean(entry.get("name").and_then(Value::as_str).unwrap_or_default()))
        })
        .collect()
}

/// Three parts with dots, the first one an encoded JSON object.
fn is_jwt(token: &str) -> bool {
    token.trim().starts_with("eyJ") && token.split('.').count() == 3
}

#[cfg(test)]
mod tests {
    use crate::domain::cluster::ClusterId;
    use crate::domain::kubeconfig::static_tokens;

    #[test]
    fn only_a_static_token_for_this_very_cluster_is_found() {
        let text = |token: &str, host: &str| {
            format!(
                "clusters: [{{name: c, cluster: {{server: 'https://{host}'}}}}]\n\
                 users: [{{name: u, user: {{token: {token}}}}}]\n\
                 contexts: [{{name: old, context: {{cluster: c, user: u}}}}]\n"
            )
        };
        let id = ClusterId::new("p", "eu01", "shop");
        let host = "api.shop.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
        assert_eq!(static_tokens(&text("abc123", host), &id), ["old"]);
        assert!(static_tokens(&text("eyJh.eyJi.c", host), &id).is_empty());
        assert!(static_tokens(&text("abc123", &host.replace("eu01", "eu02")), &id).is_empty());
        assert!(static_tokens(&text("abc123", &format!("{host}.evil.example")), &id).is_empty());
        assert!(static_tokens("{{{", &id).is_empty());
    }
}
