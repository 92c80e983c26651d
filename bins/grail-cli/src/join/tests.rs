use super::dataset::{RowsAt, fetch_rows};
use crate::verdicts::read::tests::{Stage, pair, stage};
use grail_artifact::keys::DatasetKey;
use grail_config::{Config, ConfigSources};
use grail_protocol::words::{EnvId, UnixMillis};
use std::{fs, path::Path};

const ROWS: &[u8] = b"{\"question\": \"How many?\", \"answer\": \"#### 1\"}\n";
const OTHERS: &[u8] = b"{\"question\": \"How few?\", \"answer\": \"#### 2\"}\n";

fn config(cache: &Path) -> Config {
    let environment = vec![("GRAIL_CACHE_DIR".into(), cache.as_os_str().to_owned())];
    Config::read(&ConfigSources { environment, ..ConfigSources::default() }).unwrap()
}

fn env(rows: &[u8]) -> EnvId {
    grail_node::network::environment("gsm8k", Some(rows)).unwrap().id().unwrap().clone()
}

async fn fetch(stage: &Stage, cache: &Path, from: Option<&Path>) -> anyhow::Result<Option<RowsAt>> {
    fetch_rows(&stage.view, pair(9).hotkey(), &env(ROWS), from, &config(cache)).await
}

#[tokio::test]
async fn rows_come_from_the_trainers_bucket_and_only_the_right_ones_are_kept() {
    let (stage, cache) = (stage(), tempfile::tempdir().unwrap());
    let key = DatasetKey::of(pair(9).hotkey(), &env(ROWS)).unwrap();
    let refused = |error: anyhow::Error| format!("{error:#}");
    let told = refused(fetch(&stage, cache.path(), None).await.unwrap_err());
    assert!(told.contains("has no datasets/gsm8k-") && told.contains("--from FILE"), "{told}");
    // Whoever owns the bucket may put there what they like: the id in the signed manifest decides.
    stage.shelf.place(key.clone(), OTHERS, UnixMillis(1));
    let told = refused(fetch(&stage, cache.path(), None).await.unwrap_err());
    assert!(told.contains("these are the rows of gsm8k/1:"), "{told}");
    stage.shelf.place(key.clone(), "no rows", UnixMillis(1));
    assert!(fetch(&stage, cache.path(), None).await.is_err());
    let path = cache.path().join("datasets/gsm8k.jsonl");
    assert!(!path.exists(), "nothing wrong is kept");

    stage.shelf.place(key.clone(), ROWS, UnixMillis(1));
    let rows = fetch(&stage, cache.path(), None).await.unwrap().unwrap();
    assert_eq!((rows.from, rows.path.as_path()), ("the trainer's bucket", path.as_path()));
    assert_eq!(fs::read(&path).unwrap(), ROWS);
    stage.shelf.lose(key);
    assert_eq!(fetch(&stage, cache.path(), None).await.unwrap().unwrap().from, "here already");
    // Rows of another data set that lie there are replaced, not used.
    fs::write(&path, OTHERS).unwrap();
    assert!(fetch(&stage, cache.path(), None).await.is_err());
    assert!(
        fetch_rows(&stage.view, pair(9).hotkey(), &"sat/1".parse().unwrap(), None, &config(cache.path()))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_path_that_the_user_names_is_checked_alike() {
    let (stage, cache) = (stage(), tempfile::tempdir().unwrap());
    let file = cache.path().join("mine.jsonl");
    fs::write(&file, OTHERS).unwrap();
    let told = format!("{:#}", fetch(&stage, cache.path(), Some(&file)).await.unwrap_err());
    assert!(told.contains("mine.jsonl") && told.contains("the checkpoint asks gsm8k/1:"), "{told}");
    fs::write(&file, ROWS).unwrap();
    assert_eq!(fetch(&stage, cache.path(), Some(&file)).await.unwrap().unwrap().from, "a file");
    let told = format!("{:#}", fetch(&stage, cache.path(), Some(Path::new("nowhere"))).await.unwrap_err());
    assert!(told.contains("nowhere"), "{told}");
}
