//! Reading kubeconfigs as kubectl would use them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::domain::credential::{FoundContext, FoundFile, SignIn, Trust, newest};
use crate::domain::fixtures;
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::kubeconfig::contexts::{KubeconfigEntries, read_entries, resolve, token_alone};

fn entries(text: &str) -> Result<KubeconfigEntries, String> {
    let reader = |path: &str| match path {
        "token" => Ok(Zeroizing::new(b"abc\n".to_vec())),
        "empty" => Ok(Zeroizing::new(b" \n".to_vec())),
        _ => Err("no such file".to_owned()),
    };
    read_entries(text, &reader).map_err(|failure| failure.message)
}

fn file(path: &str, text: &str) -> FoundFile<KubeconfigEntries> {
    let FoundFile { path, other_names, is_default, wide_mode, .. } =
        fixtures::found(path, Ok(Vec::new()));
    FoundFile { path, other_names, is_default, wide_mode, contexts: entries(text) }
}

fn read(cluster: &str, user: &str) -> FoundContext {
    let text = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://API.example:443/'{cluster}}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: mine, context: {{cluster: c, user: u}}}}, {{name: x, context: {{}}}}]\n"
    );
    let mut contexts = resolve(vec![file("a", &text)]).remove(0).contexts.unwrap();
    assert_eq!(contexts.len(), 1, "a context that names nothing connects to nothing");
    contexts.remove(0)
}

#[test]
fn cred_02_merge_keys_bring_what_kubectl_reads_of_them() {
    let sign_in = |user: &str| {
        let text = format!(
            "x: &t {{token: '{0}'}}\ny: &p {{username: u, password: p}}\n\
             clusters: [{{name: c, cluster: {{server: 'https://h'}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: mine, context: {{cluster: c, user: u}}}}]\n",
            "a".repeat(20)
        );
        let mut contexts = resolve(vec![file("a", &text)]).remove(0).contexts.unwrap();
        contexts.remove(0).sign_in
    };
    assert_eq!(sign_in("<<: *t"), [SignIn::StaticToken]);
    assert_eq!(sign_in("<<: [*t, {token: ''}]"), [SignIn::StaticToken]);
    assert_eq!(sign_in("<<: {<<: *t}"), [SignIn::StaticToken]);
    // Of two values the later one wins.
    assert_eq!(sign_in("token: '', <<: *t"), [SignIn::StaticToken]);
    assert_eq!(sign_in("<<: *t, token: ''"), []);
    assert_eq!(sign_in("'<<': *t"), []);
}

/// A client certificate and its key, each as PEM.
fn pair() -> [String; 2] {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    [certificate.pem(), key.serialize_pem()]
}

fn jwt(claims: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.c2ln", part(r#"{"alg":"RS256","kid":"k1"}"#), part(claims))
}

#[test]
fn every_kind_of_credential_is_told_from_the_others() {
    let of = |user: &str| read("", user).sign_in;
    assert_eq!(of("token: abc123"), [SignIn::StaticToken]);
    assert_eq!(of("tokenFile: token, token: x.y.z"), [SignIn::StaticToken]);
    let account = jwt(r#"{"iss":"i","sub":"system:serviceaccount:ci:deploy","exp":1800000000}"#);
    let [SignIn::ServiceAccountToken(facts)] = &of(&format!("token: {account}"))[..] else {
        panic!("a service account")
    };
    assert_eq!(facts.key_id.as_deref(), Some("k1"));
    assert_eq!(facts.subject, "system:serviceaccount:ci:deploy");
    assert_eq!(facts.expires.unwrap().as_second(), 1_800_000_000);
    for (claim, audiences) in [
        ("", &[][..]),
        (r#""aud":[],"#, &[]),
        (r#""aud":"vault","#, &["vault"]),
        (r#""aud":["vault",1,"kubernetes"],"#, &["vault", "kubernetes"]),
    ] {
        let account = jwt(&format!(r#"{{{claim}"sub":"system:serviceaccount:ci:deploy"}}"#));
        let [SignIn::ServiceAccountToken(facts)] = &of(&format!("token: {account}"))[..] else {
            panic!("a service account")
        };
        assert_eq!(facts.audiences, audiences);
    }
    assert!(matches!(token_alone(&format!("{account}\n")), Some(SignIn::ServiceAccountToken(_))));
    let [SignIn::ServiceAccountToken(_)] = &of(&format!("tokenFile: gone, token: {account}"))[..]
    else {
        panic!("the token counts where the file cannot be read")
    };
    let [SignIn::ServiceAccountToken(_)] = &of(&format!("tokenFile: empty, token: {account}"))[..]
    else {
        panic!("the token counts where the file is empty")
    };
    assert_eq!(token_alone("0123456789abcdef"), Some(SignIn::StaticToken));
    assert_eq!((token_alone("short"), token_alone("several words of a text")), (None, None));
    assert_eq!(of("token: a.b.c.d.e"), [SignIn::Other("encrypted token".into())]);
    let other = jwt(r#"{"iss":"https://idp.example","sub":"me","exp":1e400}"#);
    assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::StaticToken]));
    let other = jwt(r#"{"iss":"https://idp.example","sub":"me"}"#);
    assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::OtherToken(_)]));
    // Neither is a JWT: four parts, and a claim that is no object.
    for text in [format!("{account}.x"), jwt("1")] {
        assert_eq!(of(&format!("token: {text}")), [SignIn::StaticToken], "{text}");
    }
    let exec =
        |command: &str, more: &str| of(&format!("exec: {{command: {command}, {more}}}")).remove(0);
    let plugin = |command: &str, stackit| SignIn::Plugin { command: command.to_owned(), stackit };
    for (command, more, kind) in [
        ("stackit", "args: [ske, kubeconfig, login]", Some(KubeconfigKind::Login)),
        ("stackit", "args: [ske, kubeconfig, login, --idp]", Some(KubeconfigKind::Idp)),
        ("stackit", "args: [ske, kubeconfig, login, --cluster, other]", None),
        ("stackit", "args: [ske, kubeconfig, login], env: [{name: A, value: b}]", None),
        ("/tmp/stackit", "args: [ske, kubeconfig, login]", None),
        ("stackit", "args: [auth]", None),
        ("/opt/kubelogin", "args: [get-token]", None),
    ] {
        assert_eq!(exec(command, more), plugin(command, kind), "{command} {more}");
    }
    assert_eq!(of("username: a, password: b"), [SignIn::Other("basic authentication".into())]);
    let provider = [SignIn::Other("auth provider oidc".into())];
    assert_eq!(of("token: abc123, auth-provider: {name: oidc}"), provider, "it is always asked");
    assert_eq!(of("tokenFile: empty, token: a.b.c.d.e"), [SignIn::Other("encrypted token".into())]);
    assert_eq!(of(""), []);
    let [SignIn::Unreadable(why)] = &of("client-certificate: /gone.crt")[..] else {
        panic!("unreadable")
    };
    assert_eq!(why, "client-certificate /gone.crt: no such file");
    assert!(matches!(&of("client-certificate-data: QUJD")[..], [SignIn::Unreadable(_)]));
}

#[test]
fn cred_02_a_plugin_beside_another_way_to_sign_in_is_never_asked() {
    let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                command: stackit, args: [ske, kubeconfig, login], provideClusterInfo: true}";
    let certificate = format!("client-certificate-data: {certificate}, client-key-data: {key}");
    let basic = Some("Kubernetes removed basic authentication in 1.19");
    for (beside, is_asked, unusable) in [
        ("", true, None),
        ("token: abc123,", false, None),
        (&format!("{certificate},"), false, None),
        ("username: a, password: b,", false, basic),
    ] {
        let found = read(EXTENSION, &format!("{beside} {exec}"));
        assert_eq!(found.unusable.as_deref(), unusable);
        let asked = found.sign_in.iter().any(|way| matches!(way, SignIn::Plugin { .. }));
        assert_eq!(asked, is_asked, "{beside}");
    }
}

const EXTENSION: &str = ", extensions: [{name: client.authentication.k8s.io/exec, \
    extension: {stackitProjectID: p, clusterName: web, region: eu01}}]";

#[test]
fn cred_02_a_login_without_what_stackit_needs_is_no_access() {
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                command: stackit, args: [ske, kubeconfig, login]";
    let informed = format!("{exec}, provideClusterInfo: true}}");
    let found = read(EXTENSION, &informed);
    assert_eq!(found.unusable, None);
    let asked = found.exec_cluster.unwrap();
    assert_eq!((&*asked.project, &*asked.name), ("p", "web"));
    let second =
        EXTENSION.replace("[{", "[{name: x, extension: {stackitProjectID: q, clusterName: y}}, {");
    assert_eq!(read(&second, &informed).exec_cluster.unwrap().name, "web");
    let token = read(EXTENSION, "token: abc");
    assert_eq!((token.exec_cluster, token.unusable), (None, None), "nobody is told");
    for (extension, exec) in [
        (EXTENSION, format!("{exec}}}")),
        (EXTENSION, format!("{exec}, provideClusterInfo: false}}")),
        ("", informed.clone()),
        (", extensions: [{name: other, extension: {clusterName: web}}]", informed.clone()),
        (&EXTENSION.replace("clusterName: web", "clusterName: ''"), informed),
    ] {
        assert!(read(extension, &exec).unusable.is_some(), "{extension} {exec}");
    }
    let other = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                 command: kubelogin}";
    assert_eq!(read("", other).unusable, None, "others need none of that");
}

#[test]
fn cred_02_what_kubectl_refuses_is_no_access() {
    let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
    let [_, other_key] = pair().map(|pem| STANDARD.encode(pem));
    let certificate = format!("client-certificate-data: {certificate}");
    let good = format!("{certificate}, client-key-data: {key}");
    assert_eq!(read("", &good).unusable, None);
    let authority = format!(", certificate-authority-data: {}", STANDARD.encode(&pair()[0]));
    for (cluster, user, why) in [
        ("", certificate.clone(), "client-key is missing"),
        ("", format!("{certificate}, client-key: gone"), "client-key gone: no such file"),
        (
            "",
            format!("{certificate}, client-key-data: {other_key}"),
            "client-key is not the key of client-certificate",
        ),
        (
            "",
            format!("{certificate}, client-key-data: QUJD"),
            "client-key holds no private key that can be read",
        ),
        (
            "",
            format!("{good}, client-certificate: gone"),
            "client-certificate and client-certificate-data are both set",
        ),
        ("", "client-certificate: gone".into(), "client-certificate gone: no such file"),
        ("", format!("{good}, token: a, username: b"), "token and username are both set"),
        ("", format!("{good}, client-key: gone"), "client-key and client-key-data are both set"),
        ("", format!("{good}, token: a, password: b"), "token and password are both set"),
        ("", format!("{good}, as-groups: [a]"), "as-groups is set without as"),
        ("", format!("{good}, as-uid: a"), "as-uid is set without as"),
        ("", format!("{good}, as-user-extra: {{a: [b]}}"), "as-user-extra is set without as"),
        (
            "",
            format!("{good}, exec: {{command: a}}, auth-provider: {{name: oidc}}"),
            "exec and auth-provider are both set",
        ),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1}".into(),
            "exec has no valid command",
        ),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a, \
             interactiveMode: Sometimes}"
                .into(),
            "exec has no valid interactiveMode",
        ),
        ("", "token: \"abc\\n\"".into(), "its token contains spaces or control characters"),
        ("", "token: Bearer abc".into(), "its token contains spaces or control characters"),
        ("", "tokenFile: gone".into(), "tokenFile gone: no such file"),
        ("", "tokenFile: empty".into(), "tokenFile empty: it is empty"),
        ("", "username: a".into(), "Kubernetes removed basic authentication in 1.19"),
        ("", format!("{good}, auth-provider: {{name: gcp}}"), "kubectl has no auth provider gcp"),
        ("", format!("{good}, auth-provider: {{}}"), "kubectl has no auth provider "),
        (", proxy-url: 'proxy:8080'", good.clone(), "its proxy-url is not http, https or socks5"),
        (", certificate-authority: gone", good.clone(), "certificate-authority gone: no such file"),
        (
            ", certificate-authority-data: QUJD",
            good.clone(),
            "certificate-authority holds no certificate that can be read",
        ),
        (
            "",
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: a}".into(),
            "exec has no valid interactiveMode",
        ),
        ("", "exec: {command: a}".into(), "exec has no valid apiVersion"),
        (
            "",
            format!(
                "{good}, exec: {{apiVersion: client.authentication.k8s.io/v1alpha1, command: a, \
                 interactiveMode: Never}}"
            ),
            "exec has no valid apiVersion",
        ),
        (
            &format!(", insecure-skip-tls-verify: true{authority}"),
            good.clone(),
            "insecure-skip-tls-verify and certificate-authority are both set",
        ),
        (
            &format!("{authority}, certificate-authority: gone"),
            good,
            "certificate-authority and certificate-authority-data are both set",
        ),
    ] {
        assert_eq!(read(cluster, &user).unusable.as_deref(), Some(why));
    }
    let first = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a}";
    assert_eq!(read("", first).unusable, None);
}

#[test]
fn cred_02_what_is_empty_or_not_asked_for_is_not_refused() {
    let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
    let good = format!("client-certificate-data: {certificate}, client-key-data: {key}");
    for (cluster, user) in [
        ("", String::new()),
        (", insecure-skip-tls-verify: true", good.clone()),
        (", proxy-url: 'http://proxy:8080'", good.clone()),
        (", proxy-url: 'HTTPS://proxy'", good.clone()),
        (", proxy-url: 'socks5://proxy'", good.clone()),
        ("", format!("{good}, username: a, password: b")),
        ("", format!("{good}, exec: null, auth-provider: null")),
        ("", format!("{good}, as-groups: [], as-user-extra: {{}}, as-uid: null")),
        ("", format!("{good}, as-uid: ''")),
        ("", format!("{good}, as: me, as-groups: [a]")),
        ("", "auth-provider: {name: oidc}".into()),
    ] {
        assert_eq!(read(cluster, &user).unusable, None, "{cluster} {user}");
    }
}

#[test]
fn cred_02_addresses_that_kubectl_refuses_are_no_access() {
    let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
    let good = format!("client-certificate-data: {certificate}, client-key-data: {key}");
    let of_server = |server: &str, user: &str| {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]"
        );
        resolve(vec![file("a", &text)]).remove(0).contexts.unwrap().remove(0).unusable
    };
    for (server, why) in [
        ("", "it has no server"),
        ("http://api.example", "its server is not https"),
        ("api.example", "its server is not https"),
        ("api.example:443", "its server is not https"),
        (" https://api.example", "its server is not a valid address"),
        ("https://api example", "its server is not a valid address"),
        ("https://", "its server is not a valid address"),
        ("https://api.example:port", "its server is not a valid address"),
        ("https://api.example/%zz", "its server is not a valid address"),
        ("https://api.example/%2", "its server is not a valid address"),
    ] {
        assert_eq!(of_server(server, &good).as_deref(), Some(why), "{server}");
    }
    assert_eq!(
        of_server("https://api.example/%2z", &good).as_deref(),
        Some("its server is not a valid address")
    );
    for server in [
        "HTTPS://api.example",
        "https://api.example/x?a=b",
        "https://api.example/a%20b%2f",
        "https://[::1]:6443",
    ] {
        assert_eq!(of_server(server, &good), None, "{server}");
    }
    let user = "https://me@api.example";
    assert_eq!(of_server(user, &good), None);
    assert_eq!(of_server(user, ""), None, "it replaces nothing");
    let why = of_server(user, "token: abc");
    assert_eq!(why.as_deref(), Some("the user name in its server URL replaces its token"));
    assert_eq!(of_server(user, &format!("{good}, token: abc")), None);
}

#[test]
fn cred_08_files_of_kubeconfig_are_read_together_and_the_first_of_each_name_counts() {
    let cluster = |name: &str, server: &str| {
        format!("clusters: [{{name: {name}, cluster: {{server: 'https://{server}'}}}}]\n")
    };
    let user = |token: &str| format!("users: [{{name: same, user: {{{token}}}}}]\n");
    let context = |name: &str, cluster: &str| {
        format!("contexts: [{{name: {name}, context: {{cluster: {cluster}, user: same}}}}]\n")
    };
    let default = |path: &str, text: &str| FoundFile { is_default: true, ..file(path, text) };
    let first = cluster("one", "one.example") + &context("split", "one");
    let second = cluster("one", "two.example") + &user("token: abc") + &context("own", "one");
    let third = cluster("one", "three.example") + &user("username: a") + &context("own", "one");
    let told =
        |files: Vec<FoundFile<KubeconfigEntries>>| -> Vec<(String, String, bool, Option<String>)> {
            let files = resolve(files);
            let contexts = files.into_iter().flat_map(|file| file.contexts.unwrap_or_default());
            let row = |found: FoundContext| {
                let is_token = found.sign_in == [SignIn::StaticToken];
                (found.context, found.server, is_token, found.other_file)
            };
            contexts.map(row).collect()
        };
    let row = |context: &str, server: &str, is_token, other: Option<&str>| {
        (context.to_owned(), server.to_owned(), is_token, other.map(str::to_owned))
    };
    assert_eq!(
        told(vec![default("a", &first), default("b", &second), default("c", &third)]),
        [
            row("split", "one.example", true, Some("b")),
            row("own", "one.example", true, Some("a")),
            row("own", "three.example", false, None),
        ],
        "the second of a name is reached with --kubeconfig alone"
    );
    // The first file of a name counts, whatever else it names.
    let more = cluster("one", "more.example")
        + "contexts: [{name: other, context: {}}, {name: own, context: {cluster: one, user: same}}]\n";
    let rows = told(vec![default("a", &more), default("b", &second)]);
    assert_eq!(
        rows,
        [row("own", "more.example", true, Some("b")), row("own", "two.example", true, None),]
    );
    // Cluster and user in two other files: the one with the cluster is named.
    let (of_cluster, of_user) = (cluster("one", "one.example"), user("token: abc"));
    let rows = told(vec![
        default("a", &context("split", "one")),
        default("b", &of_cluster),
        default("c", &of_user),
    ]);
    assert_eq!(rows, [row("split", "one.example", true, Some("b"))]);
    let bare = "contexts: [{name: own, context: {user: same}}]\n".to_owned() + &user("username: a");
    assert_eq!(
        told(vec![default("a", &bare), default("b", &second)]),
        [row("own", "two.example", true, None)],
        "the first of a name counts, whatever it lacks: the second is read alone"
    );
    assert_eq!(
        told(vec![default("a", &first), file("b", &second)]),
        [row("own", "two.example", true, None)]
    );
    assert_eq!(
        told(vec![default("a", &first), default("b", &second), default("c", "a: [")]),
        [row("own", "two.example", true, None)],
        "kubectl reads no file of several if one cannot be read"
    );
}

#[test]
fn cred_02_a_path_that_ske_did_not_name_is_another_server() {
    let of = |server: &str| {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\nusers: [{{name: u, user: {{}}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]"
        );
        resolve(vec![file("a", &text)]).remove(0).contexts.unwrap().remove(0).server
    };
    for (server, told) in [
        ("https://API.example:443/", "api.example"),
        ("https://api.example//", "api.example"),
        ("https://api.example?x=y", "api.example"),
        ("https://me:secret@api.example/", "api.example"),
        ("https://api.example/k8s/Clusters/", "api.example/k8s/Clusters"),
        ("https://api.example:6443/a?x=y", "api.example:6443/a"),
    ] {
        assert_eq!(of(server), told, "{server}");
    }
}

#[test]
fn which_server_certificates_are_accepted() {
    let of = |cluster: &str| read(cluster, "").trust;
    assert_eq!(read("", "").server, "api.example");
    assert_eq!(of(""), Trust::System);
    assert_eq!(of(", insecure-skip-tls-verify: true"), Trust::Anything);
    let authority = format!(", certificate-authority-data: {}", STANDARD.encode(&pair()[0]));
    let named = |name: &str| of(&format!("{authority}, tls-server-name: {name}"));
    assert!(matches!(of(&authority), Trust::Authorities(_)));
    assert!(matches!(named("api.example"), Trust::Authorities(_)));
    assert_eq!(named("other.example"), Trust::OtherName);
    assert_eq!(of(", certificate-authority-data: QUJD"), Trust::Unreadable);
    assert!(
        read(&authority, "").trusts_server_certificate(),
        "no authority signs itself like that"
    );
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
    let trusting = |pem: &str| {
        let found = read(&format!(", certificate-authority-data: {}", STANDARD.encode(pem)), "");
        (found.trusts_server_certificate(), newest(&found.authorities).is_some())
    };
    assert_eq!(trusting(&ca), (false, true));
    assert!(trusting(&(ca + &pair()[0])).0, "one of several may be what the server shows");
    let port = format!(
        "clusters: [{{name: c, cluster: {{server: 'https://api.example:6443'{authority}, \
         tls-server-name: api.example}}}}]\nusers: [{{name: u, user: {{}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]"
    );
    let found = resolve(vec![file("a", &port)]).remove(0).contexts.unwrap().remove(0);
    assert!(matches!(found.trust, Trust::Authorities(_)), "the name is that of the server");
    assert_eq!(of(", certificate-authority: ca.crt"), Trust::Unreadable);
}

#[test]
fn what_kubectl_does_not_read_says_where() {
    let why = |text: &str| entries(text).unwrap_err();
    assert!(why("a: b\n- c").starts_with("line 2: "), "{}", why("a: b\n- c"));
    assert!(why("[1, 2]").contains("not a mapping"));
    let twice = "users:\n- {name: a, user: {}}\n- {name: a, user: {token: b}}\n";
    assert_eq!(why(twice), "line 3: duplicate name a in users (first in line 2)");
    assert!(why("kind: List").contains("kubectl reads only Config"));
    assert_eq!(entries("").unwrap(), KubeconfigEntries::default());
}
