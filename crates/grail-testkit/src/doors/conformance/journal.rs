use grail_ports::journal::{Journal, NAME_BYTES};
use std::thread;

/// Examines an empty journal.
///
/// # Panics
/// When a promise of [`Journal`] is broken.
pub fn journal<J: Journal + ?Sized>(journal: &J) {
    let read = |name: &str, most| journal.read(name, most).expect("an entry is read");
    let list = || journal.list().expect("entries are listed");
    assert_eq!(read("absent.json", 10), None, "absence is no fault");
    assert_eq!(list(), [""; 0], "nobody has written yet");
    journal.remove("absent.json").expect("an absent entry is no fault");

    journal.write("window-8.json", b"first").expect("an entry is written");
    journal.write("window-8.json", b"other").expect("it is replaced");
    assert_eq!(read("window-8.json", 5).as_deref(), Some(&b"other"[..]), "the newer bytes come back");
    let fault = journal.read("window-8.json", 4).expect_err("one byte over the limit is too many");
    assert!(fault.doing.contains("window-8.json") && fault.doing.contains('5'), "{fault:?}");
    journal.write("empty", b"").expect("an empty entry is written");
    assert_eq!(read("empty", 0).as_deref(), Some(&b""[..]), "an empty entry is not absent");
    assert!(journal.place("window-8.json").contains("window-8.json"), "a place names its entry");

    let long = "n".repeat(NAME_BYTES);
    for name in ["window-16.json", "window-16-5F.bundle", "A_b", &long] {
        journal.write(name, name.as_bytes()).expect("names are short and plain");
        assert_eq!(read(name, 1_000).as_deref(), Some(name.as_bytes()), "each entry keeps its own bytes");
    }
    let names = ["A_b", "empty", &long, "window-16-5F.bundle", "window-16.json", "window-8.json"];
    assert_eq!(list(), names, "every entry is listed, rising");
    let longer = "n".repeat(NAME_BYTES + 1);
    for name in ["", ".hidden", "a/b", "..", "a\\b", "a b", "ä", "a\n", &longer] {
        journal.write(name, b"x").expect_err("no name of an entry");
        journal.read(name, 10).expect_err("no name of an entry");
        journal.remove(name).expect_err("no name of an entry");
    }
    for name in [&long, "empty"] {
        journal.remove(name).expect("an entry is taken away");
        assert_eq!(read(name, 1_000), None, "it is gone");
    }
    assert_eq!(list(), ["A_b", "window-16-5F.bundle", "window-16.json", "window-8.json"]);
    readers_see_whole_entries(journal);
}

fn readers_see_whole_entries<J: Journal + ?Sized>(journal: &J) {
    let body = |fill: u8| vec![fill; 20_000 + usize::from(fill)];
    journal.write("raced", &body(0)).expect("an entry is written");
    thread::scope(|scope| {
        scope.spawn(|| (1..20).for_each(|fill| journal.write("raced", &body(fill)).expect("it is replaced")));
        for _ in 0..40 {
            let got = journal.read("raced", 1 << 20).expect("it is read").expect("it never is absent");
            let fill = *got.first().expect("nobody writes nothing");
            assert_eq!(got, body(fill), "an entry is whole");
        }
    });
    assert!(journal.list().expect("entries are listed").contains(&"raced".to_owned()));
    journal.remove("raced").expect("an entry is taken away");
}
