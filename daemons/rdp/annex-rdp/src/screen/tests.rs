// SPDX-License-Identifier: GPL-2.0-or-later
//! What viewers see of what is drawn.

use super::*;

const X8R8G8B8: u32 = 0x2002_0888;

fn viewed() -> (Shared, Viewer) {
    let shared = Shared::default();
    let viewer = shared.viewer();
    (shared, viewer)
}

fn all(viewer: &Viewer) -> Vec<Tile> {
    match viewer.take(viewer.screen.size(), MAX_TILES) {
        Some(Change::Picture(tiles, _)) => tiles,
        None => Vec::new(),
        change => panic!("{change:?}"),
    }
}

#[test]
fn a_desktop_is_what_rdp_allows() {
    let desktop = |width, height| Size::desktop(width, height).map(|s| (s.width, s.height));
    assert_eq!(desktop(1366, 768), Some((1368, 768)));
    assert_eq!(desktop(1, 1), Some((200, 200)));
    assert_eq!(desktop(8192, 8192), Some((8192, 8192)));
    assert_eq!(desktop(8193, 1), None);
    assert_eq!(desktop(1, 8193), None);
    assert_eq!(desktop(0, 1), None);
}

#[test]
fn a_picture_lies_in_a_black_desktop() {
    let (shared, viewer) = viewed();
    shared
        .scanout(2, 1, 12, X8R8G8B8, &[1, 2, 3, 0, 4, 5, 6, 0])
        .unwrap();
    assert_eq!(
        shared.size(),
        Size {
            width: 200,
            height: 200
        }
    );
    let tiles = all(&viewer);
    assert_eq!(tiles.len(), 16);
    assert_eq!(
        tiles[0].pixels[..12],
        [1, 2, 3, 255, 4, 5, 6, 255, 0, 0, 0, 255]
    );
    assert_eq!(tiles[0].pixels[TILE * BYTES..][..4], [0, 0, 0, 255]);
    assert_eq!(all(&viewer), []);
}

#[test]
fn an_update_is_seen_where_it_is() {
    let (shared, viewer) = viewed();
    shared
        .scanout(256, 200, 1024, X8R8G8B8, &[0; 1024 * 200])
        .unwrap();
    all(&viewer);
    shared.update(65, 64, 1, 2, 4, X8R8G8B8, &[9; 8]).unwrap();
    let tiles = all(&viewer);
    assert_eq!(tiles.len(), 1);
    assert_eq!(
        tiles[0].rect,
        Rect {
            x: 64,
            y: 64,
            width: 64,
            height: 64
        }
    );
    let row = TILE * BYTES;
    assert_eq!(tiles[0].pixels[..8], [0, 0, 0, 255, 9, 9, 9, 255]);
    assert_eq!(tiles[0].pixels[row + 4..][..4], [9, 9, 9, 255]);
    assert_eq!(tiles[0].pixels[2 * row + 4..][..4], [0, 0, 0, 255]);
}

#[test]
fn what_lies_is_refused_and_draws_nothing() {
    let (shared, viewer) = viewed();
    let size = shared.size();
    let scanout = |w, h, stride, bytes| shared.scanout(w, h, stride, X8R8G8B8, &vec![1; bytes]);
    assert_eq!(scanout(0, 1, 4, 4), Err(DrawError::Size(0, 1)));
    assert_eq!(
        scanout(u32::MAX, u32::MAX, 4, 4),
        Err(DrawError::Size(u32::MAX, u32::MAX))
    );
    assert_eq!(scanout(640, 400, 4, 4), Err(DrawError::Short(4)));
    assert_eq!(shared.size(), size);
    assert_eq!(
        scanout(720, 400, 2880, 2880 * 400 - 1),
        Err(DrawError::Short(1_151_999))
    );
    assert_eq!(
        scanout(720, 400, 2879, 2880 * 400),
        Err(DrawError::Short(1_152_000))
    );
    assert_eq!(scanout(720, 400, u32::MAX, 64), Err(DrawError::Short(64)));
    assert_eq!(
        shared.scanout(1, 1, 4, 7, &[0; 4]),
        Err(DrawError::Format(7))
    );
    all(&viewer);
    for (x, y, w, h) in [
        (-1, 0, 1, 1),
        (0, -1, 1, 1),
        (720, 0, 1, 1),
        (0, 400, 1, 1),
        (0, 0, 721, 1),
        (i32::MAX, 0, i32::MAX, 1),
        (0, 0, -1, 1),
    ] {
        let update = shared.update(x, y, w, h, 4096, X8R8G8B8, &[1; 8192]);
        assert_eq!(update, Err(DrawError::Outside), "{x} {y} {w} {h}");
    }
    assert_eq!(
        shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[]),
        Err(DrawError::Short(0))
    );
    assert_eq!(all(&viewer), []);
}

#[test]
fn a_size_is_told_before_anything_else() {
    let (shared, viewer) = viewed();
    let old = shared.size();
    shared
        .scanout(300, 300, 1200, X8R8G8B8, &[0; 360_000])
        .unwrap();
    let new = Size {
        width: 300,
        height: 300,
    };
    assert_eq!(viewer.take(old, 9), Some(Change::Size(new)));
    assert_eq!(viewer.take(old, 9), Some(Change::Size(new)));
    assert!(matches!(viewer.take(new, 9), Some(Change::Picture(tiles, _)) if tiles.len() == 9));
}

#[test]
fn each_viewer_sees_all_and_for_itself() {
    let (shared, viewer) = viewed();
    all(&viewer);
    shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[7; 4]).unwrap();
    // One that comes later, and one that goes.
    let late = shared.viewer();
    let gone = shared.viewer();
    assert_eq!(all(&late).len(), 12 * 7);
    drop(gone);
    assert_eq!(shared.lock().viewers.len(), 2);
    assert_eq!(all(&late), []);
    assert_eq!(all(&viewer).len(), 1, "what another has seen");
    shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[8; 4]).unwrap();
    late.show_all();
    assert_eq!(all(&viewer).len(), 1);
    assert_eq!(all(&late).len(), 12 * 7);
    shared.show_pointer(false);
    for viewer in [&viewer, &late] {
        let change = viewer.take(shared.size(), MAX_TILES);
        assert_eq!(change, Some(Change::Picture(vec![], Some(Pointer::Hidden))));
    }
    // A new size, and a black screen, are there for both.
    shared
        .scanout(200, 200, 800, X8R8G8B8, &[0; 160_000])
        .unwrap();
    assert_eq!((all(&viewer).len(), all(&late).len()), (16, 16));
    shared.blank();
    assert_eq!((all(&viewer).len(), all(&late).len()), (16, 16));
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let (shared, viewer) = viewed();
    let late = shared.viewer();
    all(&viewer);
    all(&late);
    let size = shared.size();
    let draw = async {
        tokio::task::yield_now().await;
        shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[7; 4]).unwrap();
    };
    tokio::join!(viewer.changed(size), late.changed(size), draw);
    assert_eq!(viewer.take(size, 9), late.take(size, 9));
}

#[test]
fn a_look_takes_nothing() {
    let (shared, viewer) = viewed();
    let size = shared.size();
    let look = |size| {
        let (picture, tiles) = viewer.look(size)?;
        Some((picture.len(), tiles.len()))
    };
    assert_eq!(look(size), Some((720 * 400 * BYTES, 12 * 7)));
    assert_eq!(look(size), None, "nothing is new");
    assert_eq!(all(&viewer).len(), 12 * 7);
    shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[7; 4]).unwrap();
    let smaller = Size { width: 640, ..size };
    assert_eq!(look(smaller), None, "the client's desktop is another");
    let (picture, tiles) = viewer.look(size).unwrap();
    assert_eq!(tiles.len(), 1);
    // It stays what it is while it is looked at.
    shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[8; 4]).unwrap();
    assert_eq!(picture[..4], [7, 7, 7, 255]);
    assert_eq!(all(&viewer)[0].pixels[..4], [8, 8, 8, 255]);
}

#[test]
fn the_latest_picture_wins() {
    let (shared, viewer) = viewed();
    all(&viewer);
    for value in 0..=99 {
        shared.update(0, 0, 1, 1, 4, X8R8G8B8, &[value; 4]).unwrap();
    }
    let tiles = all(&viewer);
    assert_eq!(tiles.len(), 1);
    assert_eq!(tiles[0].pixels[..4], [99, 99, 99, 255]);
}

#[test]
fn pointers() {
    let (shared, viewer) = viewed();
    let pointer = || match viewer.take(shared.size(), MAX_TILES) {
        Some(Change::Picture(_, pointer)) => pointer,
        _ => None,
    };
    assert_eq!(pointer(), Some(Pointer::Default));
    shared.define_pointer(2, 1, (9, -9), &[1; 8]).unwrap();
    let size = Size {
        width: 2,
        height: 1,
    };
    let shape = Pointer::Shape {
        size,
        hot: (1, 0),
        pixels: vec![1; 8],
    };
    assert_eq!(pointer(), Some(shape.clone()));
    shared.define_pointer(2, 1, (9, -9), &[1; 8]).unwrap();
    assert_eq!(pointer(), None, "the same again");
    shared.show_pointer(false);
    assert_eq!(pointer(), Some(Pointer::Hidden));
    shared.show_pointer(true);
    assert_eq!(pointer(), Some(shape));
    let short = shared.define_pointer(2, 2, (0, 0), &[1; 15]);
    assert_eq!(short, Err(DrawError::Short(15)));
    shared
        .define_pointer(97, 97, (0, 0), &[1; 97 * 97 * 4])
        .unwrap();
    assert_eq!(pointer(), Some(Pointer::Default));
    shared.define_pointer(-1, i32::MIN, (0, 0), &[]).unwrap();
}
