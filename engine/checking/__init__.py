"""What people get wrong around Borealis: each finding says what is so, why it matters, and what to do about it."""
