//! Merges into realistic files, verified with an independent parser: `yaml_serde`.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::domain::cluster::ClusterId;
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::parse_values;
use crate::domain::kubeconfig::{
    ChangedLine, ClusterIdentity, KubeconfigKind, ListedFile, MergeOptions, MergeQuery,
    ParsedKubeconfig, contents_of_file, merge, survey, survey_listed,
};
use crate::domain::secret::{Secret, SecretValue};
use crate::fuzz::{changed_text, fuzz};

const SERVER: &str = "https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";

fn fresh(kind: KubeconfigKind) -> ParsedKubeconfig {
    let user = match kind {
        KubeconfigKind::Admin => "client-certificate-data: TkVX, client-key-data: TkVX",
        KubeconfigKind::Login | KubeconfigKind::Idp => {
            "exec: {apiVersion: client.authentication.k8s.io/v1, command: stackit, args: [ske, kubeconfig, login]}"
        }
    };
    let text = format!(
        "clusters: [{{name: k, cluster: {{server: '{SERVER}', certificate-authority-data: TkVX}}}}]\n\
         contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\n"
    );
    ParsedKubeconfig::read(kind, &Secret::new(text)).unwrap()
}

fn options(context: &str, make_current: bool) -> MergeOptions {
    MergeOptions {
        context: context.into(),
        make_current,
        replace: true,
        replace_another: true,
        in_place: false,
    }
}

fn query(context: &str, kind: KubeconfigKind, make_current: bool) -> MergeQuery {
    let known = ClusterIdentity::Address(ClusterId::new("p", "eu01", "alpha"));
    MergeQuery { context: context.into(), known, kind, make_current, in_place: false }
}

/// Merges, and checks the invariants: the survey's sample matches, foreign entries keep their values, and no line is
/// lost.
fn merged(text: &str, context: &str, make_current: bool) -> Result<String, Failure> {
    // Nothing is issued for a file that the survey rejects.
    let told = survey(text, &query(context, KubeconfigKind::Admin, make_current), None)?;
    let fresh = fresh(KubeconfigKind::Admin);
    let merged = match merge(text, &fresh, &options(context, make_current)) {
        Ok(merged) => merged.expose().to_owned(),
        Err(failure) => panic!("known only after issuing: {failure}\n{text}"),
    };
    let (before, after) = (values_of(text), values_of(&merged));
    for (list, _) in super::LISTS {
        assert_eq!(others(&before, list, context), others(&after, list, context), "{merged}");
        let is_own = |entry: &&Value| entry["name"] == json!(context);
        assert_eq!(super::items(&after, list).iter().filter(is_own).count(), 1, "{merged}");
    }
    for (key, value) in before.as_object().into_iter().flatten() {
        if !["clusters", "contexts", "users", "current-context"].contains(&key.as_str()) {
            assert_eq!(Some(value), after.get(key), "{key}\n{merged}");
        }
    }
    let current = after.get("current-context");
    if make_current || told.blank {
        assert_eq!(current, Some(&json!(context)));
    } else {
        assert_eq!(current, before.get("current-context"));
    }
    Ok(merged)
}

fn values_of(text: &str) -> SecretValue {
    parse_values(super::without_mark(text).1).unwrap()
}

fn others(values: &Value, list: &str, context: &str) -> Vec<Value> {
    let foreign = |entry: &&Value| entry.get("name") != Some(&json!(context));
    super::items(values, list).iter().filter(foreign).cloned().collect()
}

/// All old lines are still there, in order, with their line ends; the last line may gain one.
fn keeps_lines(old: &str, new: &str) -> bool {
    let mut lines = new.split_inclusive(['\n', '\r']);
    old.split_inclusive(['\n', '\r']).all(|line| {
        lines.any(|other| other == line || other.trim_end_matches(['\n', '\r']) == line)
    })
}

const HEAD: &str = "apiVersion: v1\nkind: Config\n";
const ONE: &str = "clusters:\n- {name: b, cluster: {server: \"https://h\"}}\n\
                   contexts:\n- {name: b, context: {cluster: b, user: b}}\n";

proptest! {
    #![proptest_config(crate::property_cases(256))]

    #[test]
    fn file_19_a_value_at_the_end_of_the_file_is_equal_afterwards(
        style in "[|>][+-]?|", lines in proptest::collection::vec("(abc| def|)", 1..4),
        end in "(|\n|\n\n|\n  |\n       |\n\n   \n|\r\n|\r\n\r\n|\r)",
        has_users_last in any::<bool>(), crlf in any::<bool>(), current in any::<bool>(),
    ) {
        let body = format!("\n      {}", lines.join("\n      "));
        let token = if style.is_empty() { format!("'x{body}'") } else { format!("{style}{body}") };
        let users = format!("users:\n- name: b\n  user:\n    token: {token}");
        let mut text = if has_users_last {
            format!("{HEAD}{ONE}{users}{end}")
        } else {
            format!("{HEAD}{users}{end}")
        };
        if crlf { text = text.replace("\r\n", "\n").replace('\n', "\r\n"); }
        // A file that kubectl cannot read has no values to keep.
        prop_assume!(parse_values(&text).is_ok());
        let merged = merged(&text, "alpha", current);
        let merged = merged.unwrap_or_else(|failure| panic!("{failure}\n{text:?}"));
        prop_assert!(keeps_lines(&text, &merged), "{text:?}\n{merged:?}");
    }

    #[test]
    fn file_24_any_mix_of_styles_is_kept_or_refused_with_a_line(
        dash in select(&["- ", "-\n  ", "-   ", "- &a\n  "][..]), pad in 0_usize..4,
        line_end in select(&["\n", "\r\n", "\r"][..]),
        tail in select(&["", "---\n", "...\n", "---\n# end\n", "# end"][..]),
        current in select(&["", "current-context: |-\n  b\n", "current-context: >\n  b\n\n", "current-context: # none\n",
            "current-context: ~\n", "current-context: 'b' # c\n", "x: &x b\ncurrent-context: *x\n"][..]),
        current_last in any::<bool>(), make_current in any::<bool>(), own in any::<bool>(),
    ) {
        let pad = " ".repeat(pad);
        let name = if own { "alpha" } else { "b" };
        let inside = " ".repeat(if dash.contains('\n') { 2 } else { dash.len() });
        let item = |field: &str| {
            let item = format!("{dash}name: {name}\n{inside}{field}: {{server: 'https://h', user: b, token: t}}");
            format!("{pad}{}\n", item.replace('\n', &format!("\n{pad}")))
        };
        let mut text = format!("{HEAD}{}", if current_last { "" } else { current });
        for (list, field) in super::LISTS { text.push_str(&format!("{list}: # list\n{}", item(field))); }
        text.push_str(if current_last { current } else { "" });
        text.push_str(tail);
        let text = text.replace('\n', line_end);
        let merged = merged(&text, "alpha", make_current);
        let merged = merged.unwrap_or_else(|failure| panic!("{failure}\n{text}"));
        if !own && !make_current {
            prop_assert!(keeps_lines(&text, &merged), "{text}\n{merged}");
        }
        prop_assert!(line_end != "\r" || !merged.contains('\n'), "{merged:?}");
    }
}

#[test]
fn fuzz_kubeconfig_merge() {
    let custom = CUSTOM.replace("SERVER", SERVER);
    let seeds = [
        format!(
            "{HEAD}{ONE}users:\n- name: b\n  user:\n    token: |-\n      abc\n      def\ncurrent-context: b # now\n"
        ),
        format!("\u{feff}{HEAD}{custom}").replace('\n', "\r\n"),
        format!(
            "{HEAD}extensions: [{{name: x, extension: {{a: 0x1F, b: !!binary QUJD, 1: yes, c: !t 2.50}}}}]\n{ONE}---\n"
        ),
        format!("{HEAD}clusters: []\ncontexts:\nusers: ~\npreferences: {{}}\n"),
        format!(
            "{HEAD}x: &a {{user: &t {{token: >+\n      t\n\n}}}}\nusers:\n- &u\n  name: b\n  user: *t\n  # about b\n\n# end\n"
        ),
        serde_json::to_string_pretty(&*parse_values(&custom).unwrap()).unwrap(),
        format!(
            "{{clusters: [{{name: alpha, cluster: {{server: '{SERVER}'}}}},\n {{name: 'b'}}], contexts: [], users: []}}\n"
        ),
        "# nothing yet\n".to_owned(),
        custom,
    ];
    let words = [
        "clusters:\n",
        "contexts:\n",
        "users: &l\n",
        "current-context: |\n  b\n",
        "alpha",
        "name: alpha",
        "name",
        "{name: b, user: {token: t}}",
        "cluster: {server: h}",
        "extensions: [{name: x}]",
        "kind: List",
        "\n\n  # c\n",
        "    ",
        "apiVersion: v1",
        SERVER,
        "*t",
        "*u",
        "- &a\n  ",
        "'a\n\n  b'",
        "\"a\\\n  b\"",
        "? [a]\n: b\n",
    ];
    let contexts = select(vec!["alpha", "b", "new: # \"'", "~", "\u{e4} b"]);
    let input = (changed_text(seeds, &words), contexts, any::<bool>());
    fuzz(256, &input, |(text, context, make_current)| {
        let known = ClusterIdentity::Server(SERVER.to_owned());
        contents_of_file(&text, &known);
        let listed = |is_target| ListedFile { path: String::new(), text: &text, is_target };
        let asked = query(context, KubeconfigKind::Admin, make_current);
        drop(survey_listed(&[listed(true), listed(false)], &asked));
        let Ok(once) = merged(&text, context, make_current) else { return Ok(()) };
        let before = values_of(&text);
        let is_filled = |(list, _): &(&str, &str)| !super::items(&before, list).is_empty();
        let is_there = |(list, _): &(&str, &str)| before[*list].to_string().contains(context);
        let adds = super::LISTS.iter().all(is_filled) && !super::LISTS.iter().any(is_there);
        let mut rest = once.bytes();
        let only_adds = text.bytes().all(|byte| rest.any(|other| other == byte));
        prop_assert!(!adds || make_current || only_adds, "{once}");
        // Merging again changes nothing.
        let twice = merged(&once, context, make_current);
        prop_assert_eq!(twice.as_ref(), Ok(&once));
        let login = merge(&once, &fresh(KubeconfigKind::Login), &options(context, make_current));
        prop_assert!(login.is_ok(), "{login:?}");
        Ok(())
    });
}

#[test]
fn file_19_comments_in_the_line_of_a_changed_value_or_of_a_dash_are_kept() {
    for (line_end, is_indented) in [("\n", false), ("\r\n", true)] {
        let indent = if is_indented { "  " } else { "" };
        let text = format!(
            "current-context: >- # note 1\n  beta\nclusters: # note 2\n{indent}- # note-3\n{indent}  name: alpha\n{indent}  cluster:\n\
             {indent}    server: {SERVER}\n{indent}    certificate-authority-data: |  # note 4 # too\n{indent}      QUJD\n\
             contexts:\n{indent}- # note 5\n\n{indent}  # note 6\n{indent}  name: alpha\n{indent}  context: {{cluster: alpha, user: alpha}}\n\
             users:\n{indent}- # note 7\n{indent}  name: alpha\n{indent}  user: # note 8\n{indent}    token: t\n"
        )
        .replace('\n', line_end);
        for (context, make_current, notes) in
            [("alpha", true, 8), ("alpha", false, 8), ("b", true, 8)]
        {
            let merged = merged(&text, context, make_current).unwrap();
            for note in 1..=notes {
                let found = merged.contains(&format!("# note {note}"))
                    || merged.contains(&format!("# note-{note}"));
                assert!(found, "{note}\n{merged}");
            }
        }
    }
    // A replaced entry of another cluster keeps the comment of its dash.
    let text = "clusters:\n- # note\n  name: alpha\n  cluster: {server: 'https://k'}\n";
    assert!(merged(text, "alpha", false).unwrap().contains("- # note\n"));
    // An entry is added whatever follows the first dash.
    for dash in ["-", "-  # a-b", "- &a", "- &a # b", "- !!map", "-\n\n  # - b\n"] {
        for first in ["name: x\n  cluster: {server: h}", "cluster:\n    server: h\n  name: x"] {
            let text = format!("clusters:\n{dash}\n  {first}\n");
            let merged = merged(&text, "alpha", false).unwrap();
            assert!(merged.starts_with(&text), "{merged}");
        }
    }
    // Nothing that looks like a comment but is none.
    let text = "current-context: >-\n  a # b\n";
    assert!(!merged(text, "alpha", true).unwrap().contains("# b"));
}

#[test]
fn file_19_a_token_in_a_block_scalar_at_the_end_gains_no_line_end() {
    let text = format!("{HEAD}{ONE}users:\n- name: b\n  user:\n    token: |\n      abc123");
    let merged = merged(&text, "alpha", false).unwrap();
    assert!(merged.ends_with("\n      abc123"), "{merged}");
    let values = parse_values(&merged).unwrap();
    assert_eq!(values["users"][1]["user"]["token"], "abc123");
}

const CUSTOM: &str = "apiVersion: v1
kind: Config
clusters:
- name: alpha # mine
  cluster:
    # the proxy of the team
    proxy-url: socks5://localhost:1080
    server: SERVER # given
    certificate-authority-data: T0xE
    tls-server-name: alpha.internal
    extensions: [{name: mine, extension: {note: keep}}]
contexts:
- context:
    cluster: alpha
    user: alpha
    namespace: my-service # where I work
    extensions:
    - name: mine
      extension: {note: keep}
  name: alpha
users:
- name: alpha
  user: # secret
    client-certificate-data: T0xE
    client-key-data: |
      T0xE
    as: someone
    token: old
- name: other
  user: {token: t}
";

#[test]
fn file_22_what_a_person_added_to_an_entry_of_the_cluster_stays() {
    let text = CUSTOM.replace("SERVER", SERVER);
    let renewed = merged(&text, "alpha", false).unwrap();
    let expected = text
        .replace("    client-key-data: |\n      T0xE\n", "    client-key-data: TkVX\n")
        .replace("T0xE", "TkVX")
        .replace("    token: old\n", "");
    assert_eq!(renewed, expected);
    let told = survey(&text, &query("alpha", KubeconfigKind::Admin, false), None).unwrap();
    assert_eq!(told.dropped, ["token of user alpha"], "named before");
    // In flow style, and as JSON.
    let flow = format!(
        "{{clusters: [{{name: alpha, cluster: {{proxy-url: p, server: '{SERVER}', certificate-authority-data: T0xE}}}}],\n \
         contexts: [{{name: alpha, context: {{cluster: alpha, user: alpha, namespace: mine}}}}], # c\n \
         users: [{{\"name\": \"alpha\", \"user\": {{\"token\": \"x\", \"client-certificate-data\": \"T0xE\"}}}}]}}\n"
    );
    let renewed = merged(&flow, "alpha", false).unwrap();
    assert_eq!(
        renewed,
        flow.replace("T0xE}}],", "\"TkVX\"}}],")
            .replace("\"token\": \"x\", ", "")
            .replace("\"T0xE\"}", "\"TkVX\", \"client-key-data\":\"TkVX\"}")
    );
    // Another kind: the certificate is removed, the user's additions stay.
    let login = merge(&text, &fresh(KubeconfigKind::Login), &options("alpha", false)).unwrap();
    let values = parse_values(login.expose()).unwrap();
    assert_eq!(values["users"][0]["user"]["exec"]["command"], "stackit");
    assert_eq!(values["users"][0]["user"]["as"], "someone");
    assert_eq!(values["users"][0]["user"].get("client-key-data"), None);
    assert_eq!(values["contexts"][0]["context"]["namespace"], "my-service");
    // Nothing is kept from another cluster's entries.
    let another = text.replace("eu01", "eu02");
    let replaced = merged(&another, "alpha", false).unwrap();
    assert!(!replaced.contains("proxy-url") && replaced.contains("name: other"), "{replaced}");
}

/// A context, cluster and user with different names, as `kubectl config rename-context` leaves them.
fn renamed_context() -> String {
    format!(
        "# mine\nclusters:\n- name: k\n  cluster:\n    server: {SERVER} # keep\n    proxy-url: http://127.0.0.1:1\n    certificate-authority-data: T0xE\n\
         contexts:\n- name: prod\n  context: {{cluster: k, user: u, namespace: web}}\n- name: prod-b\n  context: {{cluster: k, user: u, namespace: b}}\n\
         users:\n- name: u\n  user:\n    client-certificate-data: T0xE\n    client-key-data: T0xE # keep\n"
    )
}

#[test]
fn file_22_a_renewal_changes_the_entries_that_the_context_uses_and_shows_their_lines() {
    let text = renamed_context();
    let kind = KubeconfigKind::Admin;
    let query = MergeQuery { in_place: true, ..query("prod", kind, false) };
    let before = survey(&text, &query, None).unwrap();
    assert_eq!(before.taken, ["cluster k", "context prod", "user u"]);
    let lines = |changes: &[ChangedLine]| -> Vec<String> {
        let sign = |added| if added { '+' } else { '-' };
        changes.iter().map(|c| format!("{} {}{}", c.number, sign(c.is_added), c.text)).collect()
    };
    assert_eq!(
        lines(&before.changes),
        [
            "7 -    certificate-authority-data: …",
            "7 +    certificate-authority-data: …",
            "16 -    client-certificate-data: …",
            "17 -    client-key-data: … # …",
            "16 +    client-certificate-data: …",
            "17 +    client-key-data: … # …",
        ]
    );
    let options = MergeOptions { in_place: true, ..options("prod", false) };
    let merged = merge(&text, &fresh(kind), &options).unwrap();
    let expected = text.replace("T0xE", "TkVX");
    assert_eq!(merged.expose(), expected);
    let after = survey(&text, &query, Some(&fresh(kind))).unwrap();
    assert_eq!(after.changes, before.changes, "shown before it is issued");
}

#[test]
fn file_36_contexts_that_share_a_replaced_entry_are_named() {
    let text = "clusters:\n- {name: shop, cluster: {server: https://a}}\n- {name: k, cluster: {server: https://a}}\n\
        users:\n- {name: shop, user: {token: t}}\n- {name: u, user: {token: t}}\n\
        contexts:\n- {name: shop, context: {cluster: k, user: u}}\n\
        - {name: dev, context: {cluster: k, user: u}}\n- {name: ci, context: {cluster: k, user: x}}\n\
        - {name: old, context: {cluster: k2, user: shop}}\n- {name: other, context: {cluster: z, user: z}}\n";
    let of = |in_place| {
        let kind = KubeconfigKind::Admin;
        let known = ClusterIdentity::Server("a".into());
        let query =
            MergeQuery { context: "shop".into(), known, kind, make_current: false, in_place };
        let survey = survey(text, &query, None).unwrap();
        (survey.sharing, survey.others)
    };
    // In place, the entries used by the context are renewed; otherwise those with its name are replaced.
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        of(true),
        (words(&["context dev (cluster k, user u)", "context ci (cluster k)"]), 2)
    );
    assert_eq!(of(false), (words(&["context old (user shop)"]), 3));
}

#[test]
fn file_22_a_user_of_another_server_is_not_renewed_in_place() {
    let text = renamed_context().replace(
        "context: {cluster: k, user: u, namespace: b}",
        "context: {cluster: elsewhere, user: u}",
    );
    let query = MergeQuery { in_place: true, ..query("prod", KubeconfigKind::Admin, false) };
    let refused = survey(&text, &query, None).unwrap_err();
    assert_eq!(refused.message, "user u also belongs to context prod-b, which uses another server");
}

#[test]
fn file_24_an_entry_without_a_value_is_replaced() {
    for end in ["", "\n", "\ncurrent-context: dev\n", "\n\n# note\ncurrent-context: dev\n"] {
        for entry in
            ["- name: dev\n  cluster:", "- cluster:\n  name: dev", "- {name: dev, cluster: }"]
        {
            let text = format!("clusters:\n{entry}{end}");
            assert!(merged(&text, "dev", false).is_ok(), "{text}");
        }
    }
}

#[test]
fn file_24_what_a_merge_key_brings_stays_but_for_what_is_issued() {
    let own = "x: &x {tls-server-name: mine, insecure-skip-tls-verify: true}\ny: &y {token: old, as: me}\n";
    for (cluster, user) in [
        ("{server: 'SERVER', <<: *x}", "{<<: *y}"),
        ("{<<: *x, server: 'SERVER'}", "{client-key-data: T0xE, <<: [*y, {as: you}]}"),
    ] {
        let text = format!(
            "{own}clusters:\n- {{name: a, cluster: {cluster}}}\n\
             contexts:\n- {{name: a, context: {{cluster: a, user: a}}}}\n\
             users:\n- name: a\n  user: {user}\n"
        )
        .replace("SERVER", SERVER);
        let query = MergeQuery { in_place: true, ..query("a", KubeconfigKind::Admin, false) };
        let dropped = survey(&text, &query, None).unwrap().dropped;
        assert!(
            dropped.contains(&"insecure-skip-tls-verify of cluster a".to_owned()),
            "{dropped:?}"
        );
        assert!(dropped.contains(&"token of user a".to_owned()), "{dropped:?}");
        let options = MergeOptions { in_place: true, ..options("a", false) };
        let merged = merge(&text, &fresh(KubeconfigKind::Admin), &options).unwrap();
        let values = values_of(merged.expose());
        assert!(merged.expose().starts_with(own), "{}", merged.expose());
        let cluster = json!({"server": SERVER, "certificate-authority-data": "TkVX", "tls-server-name": "mine"});
        assert_eq!(values["clusters"][0]["cluster"], cluster);
        let user =
            json!({"client-certificate-data": "TkVX", "client-key-data": "TkVX", "as": "me"});
        assert_eq!(values["users"][0]["user"], user);
    }
}

#[test]
fn file_24_comments_below_the_last_entry_stay_with_it() {
    let text = "users:\n  - name: b\n    user: {token: t}\n    # about b\n  # about b, too\n\n# about clusters\nclusters:\n\
                - name: b\n  cluster: {server: h}\n  # of b\n# contexts\ncontexts:\n- name: b\n#- name: gone\n\n# end\n";
    let merged = merged(text, "alpha", false).unwrap();
    for kept in [
        "    # about b\n  # about b, too\n  - name: alpha\n",
        "  # of b\n- cluster:",
        "# contexts\ncontexts:\n- name: b\n#- name: gone\n- context:",
    ] {
        assert!(merged.contains(kept), "{kept}\nin\n{merged}");
    }
    assert!(merged.ends_with("\n\n# end\n"), "{merged}");
}

#[test]
fn file_24_mixed_line_ends_stay_and_new_lines_have_the_usual_one() {
    let text = format!("{HEAD}{ONE}").replacen('\n', "\r\n", 1);
    let once = merged(&text, "alpha", false).unwrap();
    assert!(keeps_lines(&text, &once));
    assert_eq!(once.matches('\r').count(), 1, "{once:?}");
}

#[test]
fn file_24_a_mark_at_the_end_begins_no_second_document() {
    for end in ["---\n", "---", "...\n", "---\n# nothing\n", "...\n---\n"] {
        let once = merged(&format!("{HEAD}{ONE}{end}"), "alpha", true).unwrap();
        assert!(once.ends_with(end), "{once}");
    }
}

#[test]
fn file_24_what_is_refused_is_refused_with_the_persons_own_line() {
    let mut bomb = String::new();
    for (before, name) in ('a'..='l').zip('b'..='m') {
        bomb.push_str(&format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 9].join(",")));
    }
    let long = "x".repeat(20_000);
    for (text, line, part) in [
        ("kind: Config\nusers:\n- {name: 1e3, user: {}}\n".to_owned(), 3, "not a string"),
        ("a: 1\n---\nb: 2\n".to_owned(), 3, "more than one"),
        ("users: &u\n- name: a\nother: *u\n".to_owned(), 2, "anchor"),
        (
            CUSTOM
                .replace("SERVER", SERVER)
                .replace("data: T0xE\n    tls", "data: &ca T0xE\n    x: *ca\n    tls"),
            4,
            "anchor",
        ),
        (
            "kind: Config\nx: &u {name: alpha, user: {token: t}}\nusers:\n- *u\n".to_owned(),
            4,
            "anchor",
        ),
        ("x: &list\n- {name: a}\nusers: *list\n".to_owned(), 3, "not a list"),
        ("kind: Config\ncontexts: {}\n".to_owned(), 2, "not a list"),
        ("kind: Config\nusers:\n- {}\n- ~\n".to_owned(), 4, "duplicate name \"\" in users"),
        ("%YAML 1.2\n---\nkind: Config\n".to_owned(), 2, "YAML 1.2"),
        ("kind: KubeConfig\n".to_owned(), 1, "only Config"),
        ("kind: Config\nx: [.inf]\n".to_owned(), 2, "infinite"),
        ("# a \u{2028} b\nkind: Config\n".to_owned(), 3, "invalid YAML"),
        (format!("kind: Config\na: &a [x,x]\n{bomb}"), 8, "expand"),
        ("kind: Config\nx: &x [*x]\n".to_owned(), 2, ""),
        // Few values, but many bytes.
        (format!("t: &t {long}\nx: [{}]\n", "*t,".repeat(2_000)), 2, "expand"),
        (
            format!("%TAG !e! {}\n---\nx: [{}]\n", "x".repeat(1_000), "!e!t a,".repeat(2_000)),
            3,
            "expand",
        ),
    ] {
        let failure = merged(&text, "alpha", true).expect_err(&text);
        let start = format!("line {line}: ");
        assert!(
            failure.message.starts_with(&start),
            "{} instead of {start}\n{text}",
            failure.message
        );
        assert!(failure.message.contains(part), "{}", failure.message);
    }
}

#[test]
fn file_24_a_file_to_replace_is_read_within_the_same_limits() {
    let known = ClusterIdentity::Server(SERVER.to_owned());
    let contexts = |text: &str| contents_of_file(text, &known).1;
    let nested =
        |depth| format!("contexts: [{{name: a}}]\nx: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(contexts(&nested(60)), ["a"]);
    // The value parser would accept it.
    assert!(parse_values(&nested(100)).is_ok());
    assert!(contexts(&nested(100)).is_empty());
}

#[test]
fn cred_09_a_file_that_cannot_be_changed_whoever_owns_the_entry_is_known_before() {
    // An alias refers to a field that is kept for this cluster's entry, but removed for another cluster's.
    let users = "users:\n- {name: b, user: {as: &a me}}\n- {name: c, user: {as: *a}}\n";
    let text = format!("{HEAD}{ONE}{users}");
    let failure = merged(&text, "b", false).unwrap_err();
    assert!(failure.message.starts_with("line 8: user b cannot be changed"), "{failure}");
}

#[test]
fn file_24_values_that_json_does_not_have_stay_as_they_are() {
    let extensions = "extensions: [{name: x, extension: {a: 18446744073709551616, b: !!binary QUJD, 1: yes, c: !t 2.50}}]\n";
    let text = format!("{extensions}{HEAD}{ONE}");
    let merged = merged(&text, "alpha", true).unwrap();
    assert!(merged.starts_with(extensions), "{merged}");
}
