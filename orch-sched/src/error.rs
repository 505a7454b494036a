//! What can be wrong with the configuration of a scheduler.

/// A profile that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More plugins than a scheduler can tell apart.
    #[error("{count} plugins are more than {most}")]
    TooManyPlugins {
        /// In the profile.
        count: usize,
        /// The bound.
        most: usize,
    },
    /// Two plugins at an extension point that takes one.
    #[error("{first} and {second} cannot both be used for {point}")]
    OnePlugin {
        /// The extension point.
        point: &'static str,
        /// One of them.
        first: &'static str,
        /// Another.
        second: &'static str,
    },
}
