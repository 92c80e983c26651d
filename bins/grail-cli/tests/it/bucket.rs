//! `grail checkpoint` over a genuine S3 server, which checks signatures; keys come from variables alone.

use super::{
    text,
    trained::{publish, train, trainer},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};
use tokio::{net::TcpListener, runtime::Runtime};

const BUCKET: &str = "checkpoints-of-tina";
const READ: [(&str, &str); 2] =
    [("GRAIL_S3_READ_KEY_ID", "reader"), ("GRAIL_S3_READ_SECRET", "reader-secret")];
const WRITE: [(&str, &str); 2] =
    [("GRAIL_S3_WRITE_KEY_ID", "writer"), ("GRAIL_S3_WRITE_SECRET", "writer-secret")];

/// A server over a folder, on a free port of this machine, for as long as the runtime lives.
fn serve(runtime: &Runtime, dir: &Path) -> String {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(dir).unwrap());
    let mut auth = SimpleAuth::from_single("writer", "writer-secret");
    auth.register("reader".to_owned(), "reader-secret".into());
    builder.set_auth(auth);
    let service = builder.build();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let _ =
                    Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    url
}

#[test]
fn a_bucket_is_listed_fetched_verified_and_pruned() {
    let (dir, to, runtime) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Runtime::new().unwrap());
    let bucket = dir.path().join(BUCKET);
    fs::create_dir(&bucket).unwrap();
    let first = train(&trainer(), 20, 1, None);
    let second = train(&trainer(), 40, 2, Some(&first));
    let third = train(&trainer(), 60, 3, None);
    publish(&bucket, &trainer(), &first, None);
    publish(&bucket, &trainer(), &second, Some(&first));
    publish(&bucket, &trainer(), &third, None);
    let url = serve(&runtime, dir.path());
    let hotkey = trainer().hotkey().to_string();
    let run = |arguments: &[&str], keys: &[&[(&str, &str)]]| -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grail"));
        command.env_remove("GRAIL_DEVNET").arg("checkpoint").args(arguments);
        command.args(["--s3-endpoint", &url, "--bucket", BUCKET, "--region", "us-east-1", "--allow-http"]);
        command.args(["--trainer", &hotkey, "--profile", "dev"]).envs(keys.concat()).output().unwrap()
    };
    let told = |output: Output| {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        String::from_utf8(output.stdout).unwrap()
    };
    let list = told(run(&["list"], &[&READ]));
    assert!(list.contains("delta of 20") && list.matches("ready").count() == 3, "{list}");
    told(run(&["get", "40", "--to", text(to.path())], &[&READ]));
    assert!(to.path().join("window-20").is_dir() && to.path().join("window-40").is_dir());
    assert!(told(run(&["verify", "40", "--deep"], &[&READ])).contains("good, every byte"));

    let prune = ["prune", "--keep", "1", "--milestone-every", "0"];
    let refused = run(&[&prune[..], &["--yes"]].concat(), &[&READ]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && error.contains("GRAIL_S3_WRITE_KEY_ID"), "{error}");
    let plan = told(run(&[&prune[..], &["--dry-run"]].concat(), &[&READ]));
    assert!(plan.contains("delete  window-40"), "{plan}");
    told(run(&[&prune[..], &["--yes"]].concat(), &[&READ, &WRITE]));
    let list = told(run(&["list"], &[&READ]));
    assert!(list.contains("window-60") && !list.contains("window-20"), "{list}");

    let wrong = run(&["list"], &[&[READ[0], ("GRAIL_S3_READ_SECRET", "not-the-secret")]]);
    let error = String::from_utf8_lossy(&wrong.stderr);
    assert!(wrong.status.code() == Some(2) && error.contains("secret access key"), "{error}");
    assert!(!error.contains("not-the-secret"), "{error}");
}
