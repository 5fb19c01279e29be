//! etcd, kube-apiserver, kube-controller-manager and kube-scheduler as child processes of this test.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::authority::Generation;
use crate::server::Server;

const START_LIMIT: Duration = Duration::from_mins(3);
/// The group with all permissions by default.
const MASTERS: &str = "system:masters";
/// The group of Gardener's admin kubeconfigs.
pub const ADMINS: &str = "gardener.cloud:system:admins";
/// The processes that use the API server.
const CONTROLLERS: [&str; 2] = ["kube-controller-manager", "kube-scheduler"];

/// Writes a line that is shown even if the test passes.
pub fn say(line: &str) {
    use std::io::Write as _;
    // Not `eprintln!`, whose lines are shown only if a test fails.
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// The folder with the programs; if there is none, `None`, and a line that reports it.
pub fn assets() -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    if folder.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        say(&format!("LEFT OUT: KUBEBUILDER_ASSETS is not set, so no real control plane: {test}"));
    }
    folder
}

/// A control plane.
///
/// During a rotation it has two generations of keys, used like in Gardener: both CAs are trusted, certificates and
/// tokens are issued with the new keys, and the server presents its old certificate.
pub struct ControlPlane {
    assets: PathBuf,
    folder: tempfile::TempDir,
    etcd: String,
    pub port: u16,
    /// The port in kubeconfigs; different if there is a proxy in front of the API server.
    pub published_port: u16,
    /// Additional flags of kube-apiserver.
    flags: Vec<String>,
    processes: BTreeMap<&'static str, Child>,
    generations: Vec<Generation>,
    rotations: usize,
    admin: Server,
}

/// A control plane shared by a test, SKE and the machines. Its processes end with the owner, the test: a failing test
/// does not wait for background tasks.
pub struct SharedPlane {
    plane: Arc<Mutex<ControlPlane>>,
    is_owner: bool,
}

impl Clone for SharedPlane {
    fn clone(&self) -> Self {
        Self { plane: Arc::clone(&self.plane), is_owner: false }
    }
}

impl Drop for SharedPlane {
    fn drop(&mut self) {
        if self.is_owner {
            let mut plane = self.plane.lock().unwrap_or_else(PoisonError::into_inner);
            for process in plane.processes.values_mut().rev() {
                drop(process.kill());
                drop(process.wait());
            }
        }
    }
}

/// A port that is currently free, and below the system's ephemeral ports.
fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(20_000..32_000)).find(is_free).unwrap()
}

impl SharedPlane {
    /// Starts etcd and kube-apiserver, without controllers: changes come only from requests.
    pub async fn start(assets: &Path, flags: &[&str]) -> Self {
        skeys::testing::clients::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let [etcd, peer, port] = [free_port(), free_port(), free_port()];
        let (etcd, peer) = (format!("http://127.0.0.1:{etcd}"), format!("http://127.0.0.1:{peer}"));
        let generations = vec![Generation::new(1)];
        let admin = server(port, &generations, "admin", MASTERS);
        let mut plane = ControlPlane {
            assets: assets.to_owned(),
            folder,
            etcd: etcd.clone(),
            port,
            published_port: port,
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            processes: BTreeMap::new(),
            generations,
            rotations: 1,
            admin,
        };
        plane.run(
            "etcd",
            &[
                format!("--data-dir={}", plane.path("etcd")),
                format!("--listen-client-urls={etcd}"),
                format!("--advertise-client-urls={etcd}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster=default={peer}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        plane.run_api_server();
        let shared = Self { plane: Arc::new(Mutex::new(plane)), is_owner: true };
        shared.wait_until_ready().await;
        shared
    }

    /// Starts a control plane with its controllers and the role of admin kubeconfigs.
    pub async fn with_controllers(assets: &Path, flags: &[&str]) -> Self {
        let plane = Self::start(assets, flags).await;
        plane.allow_admins().await;
        plane.lock().run_controllers();
        plane
    }

    /// Grants the group of admin kubeconfigs all permissions.
    pub async fn allow_admins(&self) {
        let group = "rbac.authorization.k8s.io";
        let binding = json!({
            "metadata": {"name": "admins"},
            "subjects": [{"kind": "Group", "apiGroup": group, "name": ADMINS}],
            "roleRef": {"kind": "ClusterRole", "apiGroup": group, "name": "cluster-admin"},
        });
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
        assert_eq!(self.admin().write("POST", path, "json", &binding).await.code, 201);
    }

    /// Its processes and keys. Never held across an await.
    pub fn lock(&self) -> MutexGuard<'_, ControlPlane> {
        self.plane.lock().unwrap()
    }

    /// A client with all permissions, with credentials of the newest generation.
    pub fn admin(&self) -> Server {
        self.lock().admin.clone()
    }

    /// Waits until the API server accepts requests.
    pub async fn wait_until_ready(&self) {
        let start = Instant::now();
        loop {
            let admin = self.admin();
            if admin.get("/readyz").await.code == 200
                && admin.get("/api/v1/namespaces/default").await.code == 200
            {
                return;
            }
            self.lock().check(start);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Compacts all versions in etcd but the newest.
    pub async fn compact(&self) {
        let url = format!("{}/v3/kv", self.lock().etcd);
        let client = self.admin().client;
        let send = async |action: &str, body: String| -> Value {
            let answer = client.post(format!("{url}/{action}")).body(body).send().await.unwrap();
            serde_json::from_str(&answer.text().await.unwrap()).unwrap()
        };
        // The key is "/" in base64.
        let answer = send("range", r#"{"key":"Lw=="}"#.to_owned()).await;
        let revision = answer["header"]["revision"].as_str().unwrap().to_owned();
        let answer = send("compaction", format!(r#"{{"revision":"{revision}"}}"#)).await;
        assert!(answer["error"].is_null(), "{answer}");
    }

    /// Restarts the API server, with the same keys or new ones.
    pub async fn restart(&self, with_new_keys: bool) {
        self.lock().change_generations(|plane| {
            if with_new_keys {
                plane.rotations += 1;
                plane.generations = vec![Generation::new(plane.rotations)];
            }
        });
        self.wait_until_ready().await;
        self.lock().run_controllers();
    }

    /// Starts a rotation: new keys in addition to the old ones.
    pub async fn begin_rotation(&self) {
        self.lock().change_generations(|plane| {
            plane.rotations += 1;
            let next = Generation::new(plane.rotations);
            plane.generations.push(next);
        });
        self.wait_until_ready().await;
        self.lock().run_controllers();
    }

    /// Completes a rotation: removes the old keys.
    pub async fn complete_rotation(&self) {
        self.lock().change_generations(|plane| drop(plane.generations.remove(0)));
        self.wait_until_ready().await;
        self.lock().run_controllers();
    }
}

impl ControlPlane {
    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Starts a program, after stopping a running instance.
    fn run(&mut self, program: &'static str, arguments: &[String]) {
        self.stop(program);
        let log = std::fs::File::create(self.path(&format!("{program}.log"))).unwrap();
        let process = Command::new(self.assets.join(program))
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        self.processes.insert(program, process);
    }

    /// Kills a program.
    fn stop(&mut self, program: &str) {
        if let Some(mut process) = self.processes.remove(program) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Kills the API server, like a machine failure.
    pub fn stop_api_server(&mut self) {
        self.stop("kube-apiserver");
    }

    /// Starts the API server with the current keys.
    fn run_api_server(&mut self) {
        let all = |pem: &dyn Fn(&Generation) -> String| -> String {
            self.generations.iter().map(pem).collect()
        };
        let [old, new] = [self.generations.first().unwrap(), self.generations.last().unwrap()];
        let serving = old.server.sign_server("kube-apiserver");
        let mut arguments = vec![
            format!("--etcd-servers={}", self.etcd),
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", self.path("certificates")),
            format!("--tls-cert-file={}", self.write("server.pem", &serving.pem)),
            format!("--tls-private-key-file={}", self.write("server.key", &serving.key)),
            format!(
                "--client-ca-file={}",
                self.write("clients.pem", &all(&|keys| keys.client.pem.clone()))
            ),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!(
                "--service-account-key-file={}",
                self.write("tokens.pub", &all(&|keys| keys.tokens.public_key_pem()))
            ),
            format!(
                "--service-account-signing-key-file={}",
                self.write("tokens.key", &new.tokens.serialize_pem())
            ),
            "--service-cluster-ip-range=100.104.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--anonymous-auth=false".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
        ];
        arguments.extend(self.flags.iter().cloned());
        self.run("kube-apiserver", &arguments);
    }

    /// Starts or restarts the controllers with the current keys.
    fn run_controllers(&mut self) {
        let new = self.generations.last().unwrap();
        let tokens = self.write("controllers-tokens.key", &new.tokens.serialize_pem());
        let bundle = self.write("ca.pem", &self.authorities());
        // Client certificates are signed by the newest CA.
        let signer = self.write("signer.pem", &new.client.pem);
        let signer_key = self.write("signer.key", &new.client.key_pem());
        let until = Timestamp::now() + SignedDuration::from_hours(24);
        for program in CONTROLLERS {
            let text = self.kubeconfig(&format!("system:{program}"), MASTERS, until);
            let file = self.write(&format!("{program}.yaml"), &text);
            let mut arguments = vec![
                format!("--kubeconfig={file}"),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
            ];
            if program == "kube-controller-manager" {
                arguments.push(format!("--root-ca-file={bundle}"));
                arguments.push(format!("--service-account-private-key-file={tokens}"));
                let flag = "--cluster-signing-kube-apiserver-client";
                arguments.push(format!("{flag}-cert-file={signer}"));
                arguments.push(format!("{flag}-key-file={signer_key}"));
            }
            self.run(program, &arguments);
        }
    }

    fn change_generations(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        self.admin = server(self.port, &self.generations, "admin", MASTERS);
        self.run_api_server();
    }

    /// The CAs that clients trust, as PEM.
    fn authorities(&self) -> String {
        self.generations.iter().map(|keys| keys.server.pem.clone()).collect()
    }

    /// A client for a user in a group.
    pub fn client(&self, user: &str, group: &str) -> Server {
        server(self.port, &self.generations, user, group)
    }

    /// A kubeconfig for a user in a group, as issued by Gardener.
    pub fn kubeconfig(&self, user: &str, group: &str, until: Timestamp) -> String {
        let client = self.generations.last().unwrap().client.sign_client(user, group, until);
        let mut text = format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: shoot\n  cluster:\n    \
             certificate-authority-data: {}\n    server: https://127.0.0.1:{}\n",
            STANDARD.encode(self.authorities()),
            self.published_port
        );
        writeln!(
            text,
            "contexts:\n- name: shoot\n  context:\n    cluster: shoot\n    user: shoot\n\
             current-context: shoot\nusers:\n- name: shoot\n  user:\n    \
             client-certificate-data: {}\n    client-key-data: {}",
            STANDARD.encode(client.pem),
            STANDARD.encode(client.key)
        )
        .unwrap();
        text
    }

    /// Panics, with a program's last output, if one has exited or the start takes too long.
    fn check(&mut self, since: Instant) {
        let ended = |process: &mut Child| process.try_wait().unwrap().is_some();
        let ended = self.processes.iter_mut().find_map(|(name, p)| ended(p).then_some(*name));
        if ended.is_some() || since.elapsed() > START_LIMIT {
            let program = ended.unwrap_or("kube-apiserver");
            let log = std::fs::read_to_string(self.path(&format!("{program}.log")));
            let log = log.unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(20).collect();
            panic!("{program} does not run:\n{}", tail.join("\n"));
        }
    }
}

fn server(port: u16, generations: &[Generation], user: &str, group: &str) -> Server {
    let until = Timestamp::now() + SignedDuration::from_hours(24);
    let client = generations.last().unwrap().client.sign_client(user, group, until);
    let authorities: String = generations.iter().map(|keys| keys.server.pem.clone()).collect();
    let identity = client.pem + &client.key;
    Server::new(format!("https://127.0.0.1:{port}"), authorities.as_bytes(), identity.as_bytes())
}
