"""Networks: one network, one file; the classes are named by their role.

`Generator(...)(degraded, train=...)` returns `(restored, aux)`; its fields `scale` and
`multiple` say by how much it enlarges and which side lengths it accepts.
`Discriminator(...)(image, condition, train=...)` returns logits.
Only files in this folder import `flax.linen`.
"""
