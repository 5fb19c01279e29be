//! The section "First cluster" of the README: every block is run verbatim in a shell, with the simulator as the cloud
//! and a stand-in for the `stackit` CLI.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;

use crate::support::{Cloud, PROJECT, SKEYS, Terminal, stand_in};

const README: &str = include_str!("../../README.md");
const BEGIN: &str = "<!-- first cluster: every block is run by tests/terminal/readme.rs -->\n";
const END: &str = "<!-- end of first cluster -->";
/// Prints files of the home folder; other arguments fail.
const STACKIT: &str = "case \"$*\" in\n\
    'auth login') exec touch ~/logged-in;;\n\
    'auth get-access-token') [ -f ~/logged-in ] && exec cat ~/issued;;\n\
    'service-account key create --project-id PROJECT --email demo@simulator -y') exec cat ~/created;;\n\
    esac\n\
    exit 1\n";

/// A block, identified by a unique text; its preconditions, and what the user then sees.
struct Case {
    block: &'static str,
    logged_in: bool,
    platform: Option<(&'static str, &'static str)>,
    /// Lines typed: a question, and the answer.
    typed: &'static [(&'static str, &'static str)],
    /// The token source, as shown on the screen.
    source: &'static str,
}

const PLAIN: Case =
    Case { block: "", logged_in: false, platform: None, typed: &[], source: "service-account key" };

const CASES: &[Case] = &[
    Case { block: "stackit auth login\n", source: "stackit CLI", ..PLAIN },
    Case {
        block: "config init --guided",
        logged_in: true,
        typed: &[
            ("Number from 1 to 4 [1]:", ""),
            ("IDs:", ""),
            ("[eu01, eu02]:", ""),
            ("opens the dashboard:", ""),
        ],
        source: "stackit CLI",
        ..PLAIN
    },
    Case { block: "skeys --service-account-key", ..PLAIN },
    Case { block: "export STACKIT_SERVICE_ACCOUNT_KEY_PATH=", ..PLAIN },
    Case { block: "STACKIT_PRIVATE_KEY_PATH", ..PLAIN },
    Case { block: "~/.stackit/credentials.json", ..PLAIN },
    Case { block: "STACKIT_SERVICE_ACCOUNT_TOKEN", source: "service-account token", ..PLAIN },
    Case { block: "STACKIT_FEDERATED_TOKEN_FILE", source: "workload identity", ..PLAIN },
    Case {
        block: "STACKIT_USE_OIDC",
        platform: Some(("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")),
        source: "signs in with workload identity of GitHub Actions",
        ..PLAIN
    },
    Case {
        block: "STACKIT_USE_OIDC",
        platform: Some(("SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN")),
        source: "signs in with workload identity of Azure DevOps",
        ..PLAIN
    },
    Case {
        block: "STACKIT_ACCESS_TOKEN",
        logged_in: true,
        source: "STACKIT_ACCESS_TOKEN",
        ..PLAIN
    },
    Case { block: "--token-file", logged_in: true, source: "token file", ..PLAIN },
];

fn blocks() -> Vec<&'static str> {
    let (_, rest) = README.split_once(BEGIN).unwrap();
    let (section, _) = rest.split_once(END).unwrap();
    section.split("```sh\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect()
}

/// Files used by the blocks and the stand-in.
fn prepare(home: &Path, cloud: &Cloud, case: &Case) {
    let write = |name: &str, text: &str| std::fs::write(home.join(name), text).unwrap();
    let key = cloud.simulator.service_account_key().unwrap();
    let mut public: serde_json::Value = serde_json::from_str(&key).unwrap();
    let private = public["credentials"]["privateKey"].take();
    let token = cloud.exports.iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN").unwrap();
    write("created", &key);
    write("skeys-key.json", &key);
    write("public-part.json", &public.to_string());
    write("private.pem", private.as_str().unwrap());
    write("issued", &token.1);
    write("service-account-token", &token.1);
    write("federated", &cloud.simulator.federated_token().unwrap());
    if case.logged_in {
        write("logged-in", "");
    }
    stand_in(home, &STACKIT.replace("PROJECT", PROJECT));
    std::os::unix::fs::symlink(SKEYS, home.join("skeys")).unwrap();
}

/// A platform that issues a token to every caller; returns its URL.
fn serve_platform(token: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let body = serde_json::json!({"value": token, "oidcToken": token}).to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let head = BufReader::new(stream.try_clone().unwrap()).lines();
            let head = head.map_while(Result::ok).take_while(|line| !line.is_empty()).count();
            assert!(head > 0);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let length = body.len();
            write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_block_of_the_first_cluster_ends_with_a_cluster_on_the_screen() {
    let cloud = Cloud::begin().await;
    let blocks = blocks();
    for block in &blocks {
        assert!(CASES.iter().any(|case| block.contains(case.block)), "never run:\n{block}");
    }
    for case in CASES {
        let named: Vec<_> = blocks.iter().filter(|block| block.contains(case.block)).collect();
        assert_eq!(named.len(), 1, "{}", case.block);
        let home = tempfile::tempdir().unwrap();
        prepare(home.path(), &cloud, case);
        let block = named[0]
            .replace("00000000-0000-0000-0000-000000000000", PROJECT)
            .replace("my-account@sa.stackit.cloud", "demo@simulator")
            .replace("/var/run/secrets/stackit.cloud/serviceaccount/token", "$HOME/federated");
        let path = format!("{}:/usr/bin:/bin", home.path().display());
        let url = serve_platform(&cloud.simulator.federated_token().unwrap());
        let mut more = vec![("PATH", &*path)];
        if let Some((address, token)) = case.platform {
            more.extend([(address, &*url), (token, "job-token")]);
        }
        let mut environment = cloud.environment(&more);
        let own = ["STACKIT_ACCESS_TOKEN", "STACKIT_PROJECT_ID", "STACKIT_REGION"];
        environment.retain(|(name, _)| !own.contains(name));
        let words = ["sh", "-eu", "-c", &block];
        let mut terminal = Terminal::run_in(home, &words, 180, 60, &environment);
        for (question, line) in case.typed {
            terminal.wait_for(question, |screen| {
                screen.contents().replace('\n', " ").trim_end().ends_with(question)
            });
            terminal.send(format!("{line}\r").as_bytes());
        }
        terminal.until("bravo");
        terminal.until(case.source);
        if case.platform.is_none() {
            terminal.until("demo@simulator");
            terminal.send(b"q");
            assert_eq!(terminal.end_restored(), 0, "{block}");
        } else {
            // The exit status shows what is due.
            assert_eq!(terminal.end(), 3, "{block}");
        }
    }
}
