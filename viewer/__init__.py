"""Running a rule on a GL context, with a window or without."""
