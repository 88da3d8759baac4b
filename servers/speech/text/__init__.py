"""What a voice is to say: markup away, sentences, numbers and signs in words. Makes no sound."""
