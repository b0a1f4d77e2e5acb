import os

from tensorflow import keras

from utils import upload_file_to_s3

EPOCHS = 30
BATCH_SIZE = 32
BEST_CHECKPOINT = "best_checkpoint.keras"


class CheckpointUploader(keras.callbacks.Callback):
    """After each epoch: save the model, upload it to S3, print the metrics."""

    def __init__(self, output_dir, bucket_name):
        super().__init__()
        self.output_dir = output_dir
        self.bucket_name = bucket_name

    def on_epoch_end(self, epoch, logs=None):
        name = f"checkpoint-{epoch + 1:03d}.keras"
        path = os.path.join(self.output_dir, name)
        self.model.save(path)
        upload_file_to_s3(path, self.bucket_name, f"checkpoints/{name}")
        values = " ".join(f"{key}={value:.4f}" for key, value in logs.items())
        print(f"epoch {epoch + 1}/{EPOCHS} {values}")


def train_model(model, X_train, y_train, X_val, y_val, output_dir, bucket_name):
    """Train; leave the best model at the root of the bucket. Returns Keras' history."""
    os.makedirs(output_dir, exist_ok=True)
    best_path = os.path.join(output_dir, BEST_CHECKPOINT)
    history = model.fit(
        X_train,
        y_train,
        validation_data=(X_val, y_val),
        epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        verbose=0,
        callbacks=[
            CheckpointUploader(output_dir, bucket_name),
            keras.callbacks.ModelCheckpoint(best_path, monitor="val_loss", save_best_only=True),
        ],
    )
    upload_file_to_s3(best_path, bucket_name, BEST_CHECKPOINT)
    return history
