//! Workload identity: exchanges a platform-issued token for a token of a service account.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::{Method, Url};

use crate::clients::auth::claims;
use crate::clients::auth::exchange::{Form, as_transient};
use crate::clients::auth::secret_file::{SingleReader, keeps, read_file};
use crate::clients::auth::source::{
    AuthSettings, IssuedToken, SetBy, Setting, SettingKind, Source, SourceConfig, SourceFacts,
    SourceKind,
};
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::secret::{Secret, SecretValue};

const NAME: &str = "workload identity";
/// File with the platform's token.
pub const TOKEN_FILE: Setting = Setting {
    default: "\"/var/run/secrets/stackit.cloud/serviceaccount/token\"",
    content: Some(TOKEN),
    ..Setting::path(
        "auth.federated_token_file",
        &["SKEYS_AUTH_FEDERATED_TOKEN_FILE", "STACKIT_FEDERATED_TOKEN_FILE"],
        "File with the platform's token, for workload identity; the default is used if it exists",
    )
};
/// Email address of the service account.
pub const EMAIL: Setting = Setting {
    kind: SettingKind::Text,
    ..Setting::path(
        "auth.service_account_email",
        &["SKEYS_AUTH_SERVICE_ACCOUNT_EMAIL", "STACKIT_SERVICE_ACCOUNT_EMAIL"],
        "Service account that workload identity signs in as",
    )
};
const USE_OIDC: Setting = Setting {
    kind: SettingKind::Switch,
    default: "false",
    ..Setting::path(
        "auth.use_oidc",
        &["SKEYS_AUTH_USE_OIDC", "STACKIT_USE_OIDC"],
        "Sign in by workload identity; needed for GitHub Actions and Azure DevOps",
    )
};
const ENDPOINT: Setting = Setting {
    kind: SettingKind::Address,
    default: "\"https://accounts.stackit.cloud/oauth/v2/token\"",
    ..Setting::path(
        "endpoints.identity_provider",
        &["SKEYS_ENDPOINTS_IDENTITY_PROVIDER", "STACKIT_IDP_TOKEN_ENDPOINT"],
        "URL of the token endpoint for workload identity",
    )
};
const TOKEN: &str = "STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN";
const REMEDY: &str =
    "check the federated identity providers of the service account: issuer, subject and audience";
const FILE_REMEDY: &str =
    "set STACKIT_FEDERATED_TOKEN_FILE to the file in which the platform puts its token";

/// See the module.
pub const KIND: SourceKind = SourceKind {
    name: NAME,
    variables: &[TOKEN],
    settings: &[TOKEN_FILE, EMAIL, USE_OIDC, ENDPOINT],
    places: &["STACKIT_USE_OIDC in GitHub Actions or Azure DevOps"],
    find,
};

/// A CI platform that issues tokens to its jobs over HTTP.
struct JobPlatform {
    name: &'static str,
    /// Environment variables with the URL, and with the token that authorizes the request.
    url: &'static str,
    token: &'static str,
    method: Method,
    /// Added if the URL does not contain it.
    query: &'static [(&'static str, &'static str)],
}

/// Every job gets these, so they count only if workload identity is requested.
static JOB_PLATFORMS: [JobPlatform; 2] = [
    JobPlatform {
        name: "GitHub Actions",
        url: "ACTIONS_ID_TOKEN_REQUEST_URL",
        token: "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        method: Method::GET,
        query: &[("audience", "sts.accounts.stackit.cloud")],
    },
    JobPlatform {
        name: "Azure DevOps",
        url: "SYSTEM_OIDCREQUESTURI",
        token: "SYSTEM_ACCESSTOKEN",
        method: Method::POST,
        query: &[("api-version", "7.1"), ("audience", "api://AzureADTokenExchange")],
    },
];

/// Where the platform's token comes from.
#[derive(Clone)]
enum Platform {
    Given(Secret),
    File(PathBuf),
    Job { of: &'static JobPlatform, url: Secret, token: Secret },
}

/// Selected by an explicit token or file, or by the default file together with the account.
fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    let is_asked = (set.text)(USE_OIDC.key).is_some();
    let email = (set.text)(EMAIL.key);
    let (named, default): (Vec<_>, Vec<_>) =
        (set.path)(TOKEN_FILE.key).into_iter().partition(|(_, by)| *by != SetBy::Default);
    let offered = |of: &'static JobPlatform| {
        Some(Platform::Job { of, url: (set.variable)(of.url)?, token: (set.variable)(of.token)? })
    };
    let is_meant = |(path, _): &(PathBuf, SetBy)| path.exists() && (is_asked || email.is_some());
    let given = (set.variable)(TOKEN).map(Platform::Given).into_iter();
    let platform = given
        .chain(named.into_iter().map(|(path, _)| Platform::File(path)))
        .chain(JOB_PLATFORMS.iter().filter(|_| is_asked).filter_map(offered))
        .chain(default.into_iter().filter(is_meant).map(|(path, _)| Platform::File(path)))
        .next();
    if platform.is_none() && !is_asked {
        return None;
    }
    Some(source(platform, email, (set.text)(ENDPOINT.key).unwrap_or_default()))
}

fn source(platform: Option<Platform>, email: Option<String>, endpoint: String) -> SourceConfig {
    let summary = match &platform {
        Some(Platform::Given(_)) => format!("{NAME}, the token of {TOKEN}"),
        Some(Platform::File(path)) => {
            format!("{NAME}, the token in {}", show(path.display()))
        }
        Some(Platform::Job { of, .. }) => format!("{NAME} of {}", of.name),
        None => NAME.to_owned(),
    };
    SourceConfig::new(summary, move |http| {
        let refuse =
            |what: &str, hint: &str| Err(Failure::new(FailureKind::NotPossible, what).hint(hint));
        let Some(platform) = platform.clone() else {
            let hint = format!(
                "set {TOKEN} or STACKIT_FEDERATED_TOKEN_FILE; in GitHub Actions grant id-token: write, in Azure DevOps \
                 pass SYSTEM_ACCESSTOKEN to the step"
            );
            return refuse("no token of a platform was found", &hint);
        };
        let Some(account) = email.clone() else {
            let hint = "set STACKIT_SERVICE_ACCOUNT_EMAIL or auth.service_account_email";
            return refuse("no service account is set", hint);
        };
        let federation = Arc::new(Federation {
            account: account.clone(),
            platform,
            endpoint: safe_url(&endpoint, "the token endpoint for workload identity")?,
            http: http.clone(),
            reader: SingleReader::default(),
            worked: Mutex::default(),
        });
        let issue = move || {
            let federation = Arc::clone(&federation);
            async move { federation.issue_token().await }
        };
        let about = SourceFacts { account: Some(show(&account)), ..SourceFacts::default() };
        Ok(Source { about, ..Source::issued(NAME, issue, REMEDY) })
    })
}

/// A service account, and how its tokens are obtained.
struct Federation {
    account: String,
    platform: Platform,
    endpoint: Url,
    http: Http,
    reader: SingleReader,
    /// The last platform token that was exchanged successfully.
    worked: Mutex<Option<Secret>>,
}

impl Federation {
    /// Exchanges the platform's current token. If it cannot be read or is refused, the file may be mid-replacement, and
    /// the previous token may still be valid.
    async fn issue_token(&self) -> Result<IssuedToken, Failure> {
        let worked = || self.worked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = worked().clone();
        let now = self.assertion().await;
        let is_new = now.as_ref().ok() != before.as_ref();
        let failure = match now {
            Ok(assertion) => match self.exchange(&assertion).await {
                Ok(granted) => {
                    *worked() = Some(assertion);
                    return Ok(granted);
                }
                Err(failure) if failure.kind != FailureKind::SignedOut => return Err(failure),
                Err(failure) => failure,
            },
            Err(failure) => failure,
        };
        let Some(before) = before.filter(|_| is_new) else { return Err(failure) };
        match self.exchange(&before).await {
            Ok(granted) => {
                Ok(IssuedToken { fallback_reason: Some(keeps("token", &failure)), ..granted })
            }
            Err(_) => Err(failure),
        }
    }

    async fn exchange(&self, assertion: &Secret) -> Result<IssuedToken, Failure> {
        let form = Form {
            endpoint: &self.endpoint,
            account: &self.account,
            fields: &[
                ("grant_type", "client_credentials"),
                (
                    "client_assertion_type",
                    "urn:schwarz:params:oauth:client-assertion-type:workload-jwt",
                ),
                ("client_assertion", assertion.expose()),
                ("client_id", &self.account),
            ],
            remedy: REMEDY,
        };
        form.request_token(&self.http, assertion).await
    }

    /// The platform's token; read on each call.
    async fn assertion(&self) -> Result<Secret, Failure> {
        match &self.platform {
            Platform::Given(token) => claims::check_token(token.expose(), TOKEN),
            Platform::File(path) => {
                let name = show(path.display());
                let path = path.clone();
                let work = move || read_file(&path);
                let read = self.reader.read(self.http.clock(), &name, work).await.flatten();
                let unreadable = |failure: Failure| failure.hint(FILE_REMEDY);
                claims::check_token(read.map_err(unreadable)?.expose(), &name)
            }
            Platform::Job { of, url, token } => self.ask_platform(of, url, token).await,
        }
    }

    /// Requests a platform's token.
    async fn ask_platform(
        &self,
        of: &JobPlatform,
        url: &Secret,
        token: &Secret,
    ) -> Result<Secret, Failure> {
        let name = of.name;
        let mut url = safe_url(url.expose(), of.url)?;
        for (key, value) in of.query {
            if !url.query_pairs().any(|(found, _)| found == *key) {
                url.query_pairs_mut().append_pair(key, value);
            }
        }
        let purpose = format!("get a token of {name}");
        let mut request = HttpRequest::new(of.method.clone(), url, purpose);
        request.bearer = Some(token.clone());
        request.answers_secret = true;
        let answer = self.http.send(&request).await.map_err(as_transient)?;
        if let Some(failure) = answer.failure(&request) {
            return Err(failure.hint(format!("check the permissions of the job in {name}")));
        }
        let found = serde_json::from_slice(&answer.body).map(SecretValue::new);
        let text = |value: &SecretValue| {
            let text = ["value", "oidcToken"].into_iter().find_map(|key| value.get(key)?.as_str());
            text.map(|text| Secret::new(text.to_owned()))
        };
        let found = found.ok().as_ref().and_then(text);
        let found = found.ok_or_else(|| answer.format_failure(&request, "it contains no token"))?;
        claims::check_token(found.expose(), name)
    }
}
