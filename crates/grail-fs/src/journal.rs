use crate::{
    error::{failed, is_absence},
    read, remove_file, write,
};
use grail_ports::{
    Fault,
    journal::{Journal, check_name, is_name},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A journal as the plain files of one folder, each with its entry's name. The folder is made with the first entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderJournal(PathBuf);

impl FolderJournal {
    /// The journal of a folder, which need not be there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    fn path(&self, name: &str) -> Result<PathBuf, Fault> {
        check_name(name)?;
        Ok(self.0.join(name))
    }
}

impl Journal for FolderJournal {
    fn read(&self, name: &str, most: u64) -> Result<Option<Vec<u8>>, Fault> {
        Ok(read(&self.path(name)?, most)?)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Fault> {
        Ok(write(&self.path(name)?, bytes)?)
    }

    fn list(&self) -> Result<Vec<String>, Fault> {
        let listing = |folder: &Path| -> std::io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                let name = entry.file_name().into_string().ok().filter(|name| is_name(name));
                // A link to a file counts as one; the one that reads it says where it leads nowhere.
                names.extend(name.filter(|_| entry.file_type().is_ok_and(|kind| !kind.is_dir())));
            }
            names.sort_unstable();
            Ok(names)
        };
        match listing(&self.0) {
            Err(error) if is_absence(&error) => Ok(Vec::new()),
            listed => Ok(listed.map_err(failed("list", &self.0))?),
        }
    }

    fn remove(&self, name: &str) -> Result<(), Fault> {
        Ok(remove_file(&self.path(name)?)?)
    }

    fn place(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grail_testkit::doors::conformance;

    #[test]
    fn a_folder_keeps_the_promises_of_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        conformance::journal(&FolderJournal::new(dir.path().join("made/with the first")));
    }

    #[test]
    fn drafts_folders_and_strange_names_are_no_entries() {
        let dir = tempfile::tempdir().unwrap();
        let journal = FolderJournal::new(dir.path());
        journal.write("window-8.json", b"{}").unwrap();
        fs::create_dir(dir.path().join("window-16.json")).unwrap();
        for strange in [".window-8.json.partial", "two words", "ä"] {
            fs::write(dir.path().join(strange), "x").unwrap();
        }
        assert_eq!(journal.list().unwrap(), ["window-8.json"]);
        assert!(journal.place("window-8.json").ends_with("/window-8.json"));
        let fault = journal.write("window-16.json", b"{}").unwrap_err();
        assert!(fault.doing.contains("window-16.json"), "{fault:?}");
    }
}
