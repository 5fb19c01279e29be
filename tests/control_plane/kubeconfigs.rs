//! How a real API server judges credentials.

use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Client, Error};
use serde_json::{Value, json};

use crate::server::Server;

/// A server's verdict on credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    /// 401.
    Refused,
    /// The client does not trust the server certificate.
    Untrusted,
    /// Anything else.
    Failed(String),
}

/// Tries a context of a kubeconfig.
pub async fn try_context(text: &str, context: &str) -> Verdict {
    let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
    let options = KubeConfigOptions { context: Some(context.to_owned()), ..Default::default() };
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false;
    judge(Client::try_from(config).unwrap()).await
}

/// Tries a context of a kubeconfig with the CAs of another context.
pub async fn try_identity(text: &str, context: &str, trusted: &str) -> Verdict {
    let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
    let options =
        |name: &str| KubeConfigOptions { context: Some(name.to_owned()), ..Default::default() };
    let trusting = Config::from_custom_kubeconfig(kubeconfig.clone(), &options(trusted)).await;
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options(context)).await.unwrap();
    (config.root_cert, config.default_retry) = (trusting.unwrap().root_cert, false);
    judge(Client::try_from(config).unwrap()).await
}

async fn judge(client: Client) -> Verdict {
    match client.list_core_api_resources("v1").await {
        Ok(_) => Verdict::Accepted,
        Err(Error::Api(status)) if status.code == 401 => Verdict::Refused,
        Err(error) => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                text += &format!(": {error}");
                source = error.source();
            }
            if text.contains("UnknownIssuer") { Verdict::Untrusted } else { Verdict::Failed(text) }
        }
    }
}

/// Requests a token for the default service account.
pub async fn request_token(admin: &Server) -> String {
    let path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    let answer = admin.write("POST", path, "json", &json!({"spec": {}})).await.json();
    answer["status"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// The status of the server's response to a token, and the authenticated user.
pub async fn try_token(server: &Server, token: &str) -> (u16, String) {
    let path = format!("{}/apis/authentication.k8s.io/v1/selfsubjectreviews", server.base);
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    let request = server.anonymous.post(path).bearer_auth(token);
    let answer = request.header("content-type", "application/json").body(review.to_string());
    let answer = answer.send().await.unwrap();
    let code = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (code, body["status"]["userInfo"]["username"].as_str().unwrap_or_default().to_owned())
}
