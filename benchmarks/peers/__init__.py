"""What our code is compared with, in processes of their own."""
