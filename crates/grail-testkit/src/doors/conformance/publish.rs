use grail_artifact::{manifest::Manifest, window::RootHex};
use grail_ports::{
    Door, Fault, Retry,
    publish::{Export, Issued, Press, PublicationPlan},
};
use grail_protocol::words::WindowStart;

fn plan(sequence: u64, window: u64) -> PublicationPlan {
    let trained_on = RootHex([u8::try_from(sequence).expect("a small number"); 32]);
    PublicationPlan { window: WindowStart(window), sequence, trained_on }
}

fn is_of(issued: &Issued, plan: &PublicationPlan) {
    let manifest = &issued.manifest;
    assert_eq!((manifest.sequence, manifest.window), (plan.sequence, plan.window), "the plan's checkpoint");
    let publication = manifest.publication.as_ref().expect("it says how it was made");
    assert_eq!(publication.trained_on, plan.trained_on);
    assert!(publication.signature.is_some(), "it is signed");
    for file in &manifest.files {
        let size = issued.folder.join(&file.name).metadata().expect("its files lie here").len();
        assert_eq!(size, file.size, "{} is whole", file.name);
    }
}

/// Examines a press that has published nothing. `export` writes the weights of a sequence number, other ones for each.
/// Windows are `length` blocks long.
///
/// # Panics
/// When a promise of [`Press`] is broken.
pub async fn publish<P: Press + ?Sized>(press: &P, export: impl Fn(u64) -> Export, length: u64) {
    let issued = || press.issued().expect("earlier checkpoints are listed");
    assert_eq!(issued(), Vec::<Manifest>::new(), "nothing was published");
    let first = plan(1, 5 * length);
    let stumble = || Fault::plain(Door::Model, Retry::Later, "the export stumbles");
    press
        .publish(&first, Box::new(move |_| Err(stumble())))
        .await
        .expect_err("weights that cannot be written");
    assert_eq!(issued(), Vec::<Manifest>::new(), "what failed was not published");

    let done = press.publish(&first, export(1)).await.expect("a checkpoint is published");
    is_of(&done, &first);
    assert!(done.sent_bytes > 0, "bytes were sent");
    let again = press.publish(&first, export(1)).await.expect("a plan is carried out again");
    assert_eq!(again, Issued { sent_bytes: 0, ..done.clone() }, "to the same checkpoint, and nothing twice");

    let second = plan(2, 6 * length);
    let next = press.publish(&second, export(2)).await.expect("the next one is published");
    is_of(&next, &second);
    assert_ne!(next.manifest.id(), done.manifest.id());
    assert_eq!(issued(), [done.manifest, next.manifest], "both are kept, the oldest first");
}
