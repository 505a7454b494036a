//! Cases about images. A runtime without [`Runtime::images`](orch_core::runtime::Runtime::images) is not asked.

use orch_core::runtime::Error;

use super::{Behaviour, Harness, pod, start, status};

/// An image is present once it has been pulled, under the same id, and that is the one that containers run.
pub async fn pulled_image_is_present(harness: &dyn Harness) {
    let Some(images) = harness.runtime().images() else { return };
    let spec = harness.container("a", &Behaviour::Exit(0));
    let id = images.pull(&spec.image).await.expect("the harness' images can be pulled");
    assert_eq!(images.present(&spec.image).await.expect("images are told"), Some(id.clone()));
    assert_eq!(images.pull(&spec.image).await.expect("an image is pulled again"), id);
    assert!(!images.list().await.expect("images are told").is_empty());
    let pod = pod(harness, "web").await;
    let container = start(harness, &pod, &spec).await;
    assert_eq!(status(harness, &container).await.map(|status| status.image_id), Some(id));
}

/// A name that means no image is not present, cannot be pulled, and no container of it starts.
pub async fn unknown_image_is_not_pulled(harness: &dyn Harness) {
    let (Some(images), Some(unknown)) = (harness.runtime().images(), harness.unknown_image()) else { return };
    assert_eq!(images.present(&unknown).await.expect("images are told"), None);
    let error = images.pull(&unknown).await.expect_err("there is no such image");
    assert!(matches!(error, Error::ImagePull { .. }), "{error}");
    let pod = pod(harness, "web").await;
    let mut spec = harness.container("a", &Behaviour::Exit(0));
    spec.image = unknown;
    let error = harness.runtime().start(&pod.id, &spec).await.expect_err("there is no such image");
    assert!(matches!(error, Error::ImagePull { .. }), "{error}");
}

/// What is no image name is told apart from an image that is not there.
pub async fn image_name_must_be_one(harness: &dyn Harness) {
    let Some(images) = harness.runtime().images() else { return };
    for name in ["Not An Image", "shop/UPPER", "a:b:c:"] {
        let error = images.pull(name).await.expect_err("that is no name");
        assert!(matches!(error, Error::InvalidImageName { .. }), "{name}: {error}");
    }
}
