//! `grail checkpoint` over shelves in folders, with small checkpoints that are truly signed.

use super::{
    grail, refuses, text,
    trained::{Trained, publish, train, trainer, weights},
    works,
};
use grail_protocol::sign::HotkeyPair;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A shelf with checkpoints of these windows: the first whole, each other a delta of the one before.
struct Shelf {
    dir: TempDir,
    chain: Vec<Trained>,
    trainer: String,
}

fn shelf(windows: &[u64]) -> Shelf {
    let dir = tempfile::tempdir().unwrap();
    let mut chain: Vec<Trained> = Vec::new();
    for (sequence, window) in (1..).zip(windows) {
        let next = train(&trainer(), *window, sequence, chain.last());
        publish(dir.path(), &trainer(), &next, chain.last());
        chain.push(next);
    }
    Shelf { dir, chain, trainer: trainer().hotkey().to_string() }
}

impl Shelf {
    /// The command with the arguments that name this shelf.
    fn args<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let own = ["--folder", text(self.dir.path()), "--trainer", &self.trainer, "--profile", "dev"];
        ["checkpoint"].into_iter().chain(arguments.iter().copied()).chain(own).collect()
    }

    fn works(&self, arguments: &[&str]) -> String {
        works(&self.args(arguments))
    }

    /// The answer is no: exit code 1, and each of the words on the output.
    #[track_caller]
    fn says_no(&self, arguments: &[&str], words: &[&str]) {
        let output = grail(&self.args(arguments));
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&output.stderr));
        for word in words {
            assert!(told.contains(word), "{arguments:?} says {told:?}, without {word:?}");
        }
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = grail(&self.args(&[arguments, &["--as-json"]].concat()));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn file(&self, window: u64, name: &str) -> PathBuf {
        self.dir.path().join(format!("checkpoints/window-{window}/{name}"))
    }

    fn places(&self) -> Vec<String> {
        names(&self.dir.path().join("checkpoints"))
    }

    /// The command on this folder, for which the trainer alone must be named.
    fn local<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        let own = ["--trainer", self.trainer.as_str(), "--profile", "dev"];
        ["checkpoint"].into_iter().chain(arguments.iter().copied()).chain(own).collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let last = bytes.last_mut().unwrap();
    *last ^= 1;
    // Another file under the same name: copies that share their bytes with it stay as they are.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_list_shows_the_newest_first_and_what_is_wrong_with_each() {
    let shelf = shelf(&[20, 40, 60, 80, 1000]);
    fs::remove_file(shelf.file(80, "READY")).unwrap();
    fs::write(shelf.file(60, "model.safetensors.delta"), "cut").unwrap();
    let thief = HotkeyPair::from_seed(&[8; 32]).unwrap();
    let foreign = train(&thief, 40, 2, None);
    fs::copy(foreign.dir.path().join("manifest.json"), shelf.file(40, "manifest.json")).unwrap();

    let told = shelf.works(&["list"]);
    let lines: Vec<&str> = told.lines().filter(|line| line.contains("window-")).collect();
    let expected = [
        ["window-1000", "delta of 80", "ready"],
        ["window-80", "delta of 60", "not ready"],
        ["window-60", "delta of 40", "broken: model.safetensors.delta"],
        ["window-40", "?", "refused: its manifest is refused"],
        ["window-20", "full", "ready"],
    ];
    assert_eq!(lines.len(), expected.len(), "{told}");
    for (line, words) in lines.iter().zip(expected) {
        assert!(words.iter().all(|word| line.contains(word)), "{line} without one of {words:?}");
    }
    let json = shelf.json(&["list"]);
    assert_eq!(json[0]["place"], "window-1000");
    assert_eq!(json[0]["base_window"], 80);
    assert_eq!(json[1]["state"], "not-ready");
    assert!(json[3]["reasons"][0].as_str().unwrap().contains(&thief.hotkey().to_string()));
    assert_eq!(json[4]["id"], shelf.chain[0].manifest.id().to_string());

    let empty = tempfile::tempdir().unwrap();
    let told = works(&["checkpoint", "list", "--folder", text(empty.path()), "--trainer", &shelf.trainer]);
    assert!(told.contains("nothing lies under checkpoints/"), "{told}");
}

#[test]
fn the_latest_is_fetched_through_a_chain_of_deltas_and_a_second_time_found() {
    let (shelf, to) = (shelf(&[20, 40, 60]), tempfile::tempdir().unwrap());
    let cache = to.path().join("new");
    for _ in 0..2 {
        let told = shelf.works(&["get", "--to", text(&cache)]);
        assert!(told.contains("window 60 (sequence 3)") && told.contains("window-60"), "{told}");
        assert_eq!(fs::read(cache.join("window-60/model.safetensors")).unwrap(), weights(60));
    }
    assert_eq!(names(&cache), ["window-20", "window-40", "window-60"]);
    let older = shelf.json(&["get", "40", "--to", text(&cache)]);
    assert_eq!(older["window"], 40);
    assert_eq!(older["folder"], text(&cache.join("window-40")));
}

#[test]
fn what_a_broken_fetch_left_is_gone_on_with() {
    let (shelf, to) = (shelf(&[20]), tempfile::tempdir().unwrap());
    let draft = to.path().join("window-20.partial");
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join(".id"), shelf.chain[0].manifest.id().to_string()).unwrap();
    fs::write(draft.join("model.safetensors.partial"), &weights(20)[..3_000]).unwrap();
    shelf.works(&["get", "window-20", "--to", text(to.path())]);
    assert_eq!(names(to.path()), ["window-20"]);
    assert_eq!(fs::read(to.path().join("window-20/model.safetensors")).unwrap(), weights(20));
}

#[test]
fn a_refused_checkpoint_is_named_with_its_reason() {
    let (shelf, to) = (shelf(&[20, 40]), tempfile::tempdir().unwrap());
    shelf.says_no(&["get", "999", "--to", text(to.path())], &["window-999", "nothing lies there", "list"]);
    shelf.says_no(&["get", "milestone-20", "--to", text(to.path())], &["milestone-20", "nothing lies there"]);
    flip(&shelf.file(40, "model.safetensors.delta"));
    shelf.says_no(
        &["get", "40", "--to", text(to.path())],
        &["window-40", "model.safetensors.delta", "digest"],
    );
    // Whoever wants the latest gets the newest that is acceptable, and is told about the other.
    let latest = shelf.json(&["get", "latest", "--to", text(to.path())]);
    assert_eq!(latest["window"], 20);
    assert_eq!(latest["refused"][0]["place"], "window-40");
    fs::remove_file(shelf.file(20, "READY")).unwrap();
    let cold = tempfile::tempdir().unwrap();
    shelf.says_no(&["get", "--to", text(cold.path())], &["not marked ready", "nothing was taken"]);
}

#[test]
fn a_place_is_verified_with_everything_that_it_is_made_from() {
    let shelf = shelf(&[20, 40, 60]);
    for place in ["latest", "60", "window-20"] {
        assert!(shelf.works(&["verify", place]).contains("good; its bytes were counted"));
        assert!(shelf.works(&["verify", place, "--deep"]).contains("good, every byte"));
    }
    flip(&shelf.file(60, "model.safetensors.delta"));
    shelf.works(&["verify", "60"]);
    shelf.says_no(&["verify", "60", "--deep"], &["model.safetensors.delta has the digest", "not good"]);
    fs::remove_file(shelf.file(40, "READY")).unwrap();
    shelf.says_no(&["verify", "60"], &["the checkpoint of window 40, is neither here nor on the shelf"]);
    shelf.says_no(&["verify", "40"], &["window-40: it is not marked ready"]);
    shelf.says_no(&["verify", "999"], &["window-999: nothing lies there"]);
    fs::write(shelf.file(20, "READY"), "rubbish\n").unwrap();
    fs::remove_file(shelf.file(20, "config.json")).unwrap();
    let verdict = shelf.json(&["verify", "20"]);
    let problems = verdict["problems"].as_array().unwrap();
    assert_eq!((verdict["good"].as_bool(), problems.len()), (Some(false), 2), "{verdict}");
    assert!(problems[0].as_str().unwrap().contains("marker"));
    assert!(problems[1].as_str().unwrap().contains("config.json"));
}

#[test]
fn a_foreign_signature_is_refused_on_the_shelf_and_in_a_folder() {
    let shelf = shelf(&[20]);
    let thief = HotkeyPair::from_seed(&[8; 32]).unwrap();
    let foreign = train(&thief, 40, 2, None);
    publish(shelf.dir.path(), &thief, &foreign, None);
    let named = [thief.hotkey().to_string(), trainer().hotkey().to_string()];
    shelf.says_no(&["verify", "40", "--deep"], &["its manifest is refused", &named[0], &named[1]]);
    shelf.says_no(&["verify", text(foreign.dir.path())], &["its manifest is refused", &named[0]]);
    // The manifest was changed after it was signed.
    let path = foreign.dir.path().join("manifest.json");
    let mut forged = shelf.chain[0].manifest.clone();
    forged.max_new_tokens -= 1;
    fs::write(&path, forged.to_json().unwrap()).unwrap();
    shelf.says_no(&["verify", text(foreign.dir.path())], &["the signature on the manifest is not by"]);
}

#[test]
fn a_folder_is_verified_byte_by_byte_and_needs_no_shelf() {
    let (shelf, to) = (shelf(&[20, 40]), tempfile::tempdir().unwrap());
    shelf.works(&["get", "--to", text(to.path())]);
    let folder = to.path().join("window-40");
    let told = works(&shelf.local(&["verify", text(&folder)]));
    assert!(told.contains("good, every byte of it"), "{told}");
    for stray in ["extra.json", "chat_template.jinja"] {
        fs::write(folder.join(stray), "{}").unwrap();
        shelf.says_no(&["verify", text(&folder)], &[stray, "not in the manifest", "not good"]);
        fs::remove_file(folder.join(stray)).unwrap();
    }
    flip(&folder.join("model.safetensors"));
    shelf.says_no(&["verify", text(&folder)], &["model.safetensors has the digest"]);
    fs::write(folder.join("config.json"), "longer than it was").unwrap();
    fs::remove_file(folder.join("model.safetensors")).unwrap();
    shelf.says_no(&["verify", text(&folder)], &["config.json has 18 bytes", "model.safetensors is gone"]);
    fs::remove_file(folder.join("manifest.json")).unwrap();
    shelf.says_no(&["verify", text(&folder)], &["manifest.json is gone"]);
}

#[test]
fn pruning_shows_its_plan_asks_and_never_takes_what_a_kept_delta_needs() {
    let mut shelf = shelf(&[20, 100, 1000, 1020]);
    // A whole one begins the next chain, so that the first may go.
    let whole = train(&trainer(), 1040, 5, None);
    let last = train(&trainer(), 1060, 6, Some(&whole));
    publish(shelf.dir.path(), &trainer(), &whole, None);
    publish(shelf.dir.path(), &trainer(), &last, Some(&whole));
    shelf.chain.extend([whole, last]);
    let all = shelf.places();
    assert_eq!(all.len(), 6);

    let plan = ["prune", "--keep", "3", "--milestone-every", "0"];
    let dry = shelf.works(&[&plan[..], &["--dry-run"]].concat());
    assert!(dry.contains("0 checkpoints") && dry.contains("window-1000 is made from it"), "{dry}");
    let plan = ["prune", "--keep", "1", "--milestone-every", "0"];
    let dry = shelf.works(&[&plan[..], &["--dry-run"]].concat());
    assert!(dry.contains("window-1060 is made from it") && dry.contains("4 checkpoints"), "{dry}");
    assert_eq!(shelf.places(), all, "a dry run deletes nothing");
    refuses(&shelf.args(&plan), &["nobody is here to be asked", "--yes"]);
    refuses(&shelf.args(&[&plan[..], &["--as-json"]].concat()), &["--yes", "--dry-run"]);
    assert_eq!(shelf.places(), all, "without an answer nothing is deleted");

    // Under another trainer's key no manifest here can be read, and what cannot be read keeps everything older.
    let thief = HotkeyPair::from_seed(&[8; 32]).unwrap().hotkey().to_string();
    let mut foreign = shelf.args(&[&plan[..], &["--yes"]].concat());
    *foreign.iter_mut().find(|argument| **argument == shelf.trainer).unwrap() = &thief;
    assert!(works(&foreign).contains("0 checkpoints"));
    assert_eq!(shelf.places(), all);

    let done = shelf.json(&[&plan[..], &["--yes"]].concat());
    assert_eq!(done["deleted_files"], 4 + 3 * 3);
    assert_eq!(done["delete"].as_array().unwrap().len(), 4);
    assert_eq!(shelf.places(), ["window-1040", "window-1060"]);
    let to = tempfile::tempdir().unwrap();
    shelf.works(&["get", "--to", text(to.path())]);
    assert!(shelf.works(&[&plan[..], &["--yes"]].concat()).contains("0 checkpoints"));
}

#[test]
fn window_100_goes_without_window_1000() {
    let shelf = shelf(&[]);
    for (sequence, window) in [(1, 100), (2, 1000)] {
        publish(shelf.dir.path(), &trainer(), &train(&trainer(), window, sequence, None), None);
    }
    let told = shelf.works(&["prune", "--keep", "1", "--milestone-every", "0", "--yes"]);
    assert!(told.contains("delete  window-100 ") && told.contains("keep    window-1000"), "{told}");
    assert_eq!(shelf.places(), ["window-1000"]);
    shelf.works(&["verify", "1000", "--deep"]);
    // With milestones, a window that is one stays: 100 windows of 20 blocks.
    publish(shelf.dir.path(), &trainer(), &train(&trainer(), 2000, 3, None), None);
    publish(shelf.dir.path(), &trainer(), &train(&trainer(), 2020, 4, None), None);
    let told = shelf.works(&["prune", "--keep", "1", "--yes"]);
    assert!(told.contains("a milestone"), "{told}");
    assert_eq!(shelf.places(), ["window-2000", "window-2020"]);
}

#[test]
fn a_cache_is_cleared_of_old_checkpoints_and_leftovers() {
    let (shelf, to) = (shelf(&[20, 40, 60]), tempfile::tempdir().unwrap());
    shelf.works(&["get", "--to", text(to.path())]);
    for left in ["window-40.partial", "window-80.partial", "milestone-20.partial"] {
        fs::create_dir(to.path().join(left)).unwrap();
        fs::write(to.path().join(left).join("x"), [0; 100]).unwrap();
    }
    let before = names(to.path());
    let gc = |more: &[&str]| works(&shelf.local(&[&["gc", text(to.path()), "--keep", "1"], more].concat()));
    let dry = gc(&["--dry-run"]);
    assert!(dry.contains("window-20 would go") && dry.contains("4 folders"), "{dry}");
    assert_eq!(names(to.path()), before);
    let told: Value = serde_json::from_str(&gc(&["--as-json"])).unwrap();
    assert_eq!(told["folders"].as_array().unwrap().len(), 4);
    assert!(told["bytes"].as_u64().unwrap() > 2 * 8_192 + 200);
    assert_eq!(names(to.path()), ["window-60", "window-80.partial"], "what may be under way stays");
    assert!(gc(&[]).contains("nothing to remove"));
    let gone = to.path().join("absent");
    refuses(&shelf.local(&["gc", text(&gone)]), &["no folder", "absent"]);
    assert!(!gone.exists());
}

#[test]
fn mistakes_in_naming_a_shelf_are_named() {
    let shelf = shelf(&[20]);
    let dir = text(shelf.dir.path());
    let to = shelf.dir.path().join("to");
    refuses(&shelf.args(&["get", "windows-20", "--to", text(&to)]), &["windows-20", "milestone-N"]);
    refuses(&shelf.args(&["verify", "windows-20"]), &["windows-20", "neither a folder nor a place"]);
    refuses(&["checkpoint", "list", "--folder", dir], &["whose checkpoints?", "--trainer SS58"]);
    refuses(&["checkpoint", "list", "--trainer", &shelf.trainer], &["which shelf?", "--folder DIR"]);
    refuses(&["checkpoint", "list", "--folder", dir, "--trainer", "5Grw"], &["--trainer", "5Grw"]);
    refuses(&shelf.args(&["prune", "--keep", "0", "--dry-run"]), &["--keep", "0"]);
    let absent = shelf.dir.path().join("absent");
    let list = ["checkpoint", "list", "--trainer", &shelf.trainer];
    refuses(&[&list[..], &["--folder", text(&absent)]].concat(), &["absent", "does not exist"]);
    refuses(&[&list[..], &["--s3-endpoint", "https://localhost"]].concat(), &["--bucket NAME"]);
    let bucket = ["--s3-endpoint", "https://localhost", "--bucket", "grail"];
    refuses(&[&list[..], &bucket[..]].concat(), &["GRAIL_S3_READ_KEY_ID", "GRAIL_S3_READ_SECRET"]);
}
