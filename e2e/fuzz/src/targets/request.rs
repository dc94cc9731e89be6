//! Requests for trust, and what calls itself a signature of one: both come from a table that others can write.

use std::sync::LazyLock;

use portcullis::operate::approve::{Approvers, Request, signatures_of};
use portcullis_verifier::Slug;

use super::choice;
use crate::Target;

pub(crate) const TARGET: Target = Target {
    name: "request",
    what: "requests for trust: one text for each meaning, and no bytes that pass for two people's signatures",
    most_bytes: 8 << 10,
    feed,
    seeds,
};

const TEXT: &str = "portcullis: lend trust to automation, version 1\ngroup: g\ngate: home\nmode: halt\n\
                    until_ms: 1800000000000\nby: ada\nwith: bob\n";

/// Public keys whose private halves nobody kept.
const KEYS: [(&str, &str); 2] = [
    ("ada", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE/pxWWtn6KMCV5uXZbFIlKBicRSlWmAKiLYOcGjy0oV ada"),
    ("bob", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJMnBFUUr71MWixMHHS4LZfMz+/gqK8Gd8QSfC+4mAB5 bob"),
];

static APPROVERS: LazyLock<Approvers> = LazyLock::new(|| {
    let mut approvers = Approvers::default();
    for (name, key) in KEYS {
        approvers.add(Slug::new(name).expect("a slug"), key).expect("a public key");
    }
    approvers
});

fn feed(bytes: &[u8]) {
    let (which, bytes) = choice(bytes);
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    match which % 3 {
        0 => {
            let Ok(request) = Request::parse(text) else { return };
            assert_eq!(request.text(), text, "another text of the same meaning");
            assert_eq!(
                Request::of(request.group, &request.command()),
                Some(request),
                "the engine is given less"
            );
        }
        1 => {
            let request = Request::parse(TEXT).expect("a request");
            // SECURITY: nobody holds these keys, so that nothing can be signed with them.
            let parts: Vec<String> = text.split('\0').map(str::to_owned).collect();
            assert!(APPROVERS.check(&request, &parts).is_err(), "trust was lent without a key");
        }
        _ => {
            let mut approvers = APPROVERS.clone();
            if approvers.add(Slug::new("eve").expect("a slug"), text).is_ok() {
                assert!(approvers.adds_to(&APPROVERS), "a key under two names");
            }
            if let Ok(row) = serde_json::from_str(text) {
                let _found = signatures_of(&row);
            }
        }
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let signature = "-----BEGIN SSH SIGNATURE-----\n\
                     U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgE01zymueOajifXnChBTHrozqUA\n\
                     k5Imsl+kgLeEdBUfYAAAAKcG9ydGN1bGxpcwAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gt\n\
                     ZWQyNTUxOQAAAECJXklBFXhnPzFNF/2mCkGjyWXm5tgXQwltIjXTrh6tDITBSUZVIKfI6I\n\
                     7aC1g96PixE/KJbihF3UxdFxUA0VoF\n\
                     -----END SSH SIGNATURE-----\n";
    let row = format!("{{\"trust\":{{\"signatures\":[{signature:?}]}}}}");
    let one = |which: u8, text: &str| [vec![which], text.as_bytes().to_vec()].concat();
    vec![
        one(0, TEXT),
        one(0, &TEXT.replace("halt", "observe")),
        one(1, signature),
        one(1, &format!("{signature}\0{signature}")),
        one(2, KEYS[0].1),
        one(2, &row),
    ]
}
