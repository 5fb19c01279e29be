//! Watches that resume from resource versions compacted by etcd.

use std::sync::Arc;

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cluster::HeldRoll;
use crate::machines::ZONES;
use crate::processes::{SharedPlane, assets};
use crate::screen::{press, until_said};

/// A proxy to an API server that can be cut: existing connections end, new ones wait.
struct Cable {
    cut: watch::Sender<bool>,
    port: u16,
}

impl Cable {
    async fn to(port: u16) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (cut, _) = watch::channel(false);
        let cable = Arc::new(Self { cut, port: listener.local_addr().unwrap().port() });
        let accepting = Arc::clone(&cable);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, port, accepting.cut.subscribe()));
            }
        });
        cable
    }
}

async fn carry(mut client: TcpStream, port: u16, mut cut: watch::Receiver<bool>) {
    cut.wait_for(|is_cut| !is_cut).await.unwrap();
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
        _cut = cut.wait_for(|is_cut| *is_cut) => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_03_versions_that_etcd_has_forgotten_cost_a_list_and_lose_nothing() {
    let Some(assets) = assets() else { return };
    // With its own cache the API server would keep more versions than etcd.
    let plane = SharedPlane::with_controllers(&assets, &["--watch-cache=false"]).await;
    let port = plane.lock().port;
    let cable = Cable::to(port).await;
    plane.lock().published_port = cable.port;
    let held = HeldRoll::begin(plane.clone()).await;
    let mut terminal = held.open((132, 64));
    until_said(&terminal, "nodes live");
    for _round in 0..2 {
        let admin = plane.admin();
        let nodes = admin.get("/api/v1/nodes?limit=1").await.json();
        let before = nodes["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
        cable.cut.send_replace(true);
        held.machines.add(2, ZONES[0], Value::Null).await;
        plane.compact().await;
        // It is compacted.
        let watch = format!("/api/v1/nodes?watch=1&timeoutSeconds=5&resourceVersion={before}");
        let answer = String::from_utf8(admin.get(&watch).await.body).unwrap();
        assert!(answer.contains("\"code\":410"), "{answer}");
        cable.cut.send_replace(false);
        let shown = held.progress().await;
        until_said(&terminal, &shown);
        until_said(&terminal, "nodes live");
    }
    // The watches resume.
    held.grow(&terminal).await;
    held.release(&terminal).await;
    press(&mut terminal, &["\x03"]);
    assert_eq!(terminal.end_restored(), 0);
}
