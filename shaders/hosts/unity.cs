// Runs the passes of a shader that nca-studio {{ version }} has written. Tested with a compiler, not in Unity.
// Add this script to an object with a renderer and a mesh collider, and set its shader. The texture
// becomes the main texture of the object's material. Drag with the mouse to erase; it heals.

using UnityEngine;

public class NcaTexture : MonoBehaviour
{
    public Shader shader;
    [Tooltip("Cells along a side")] public int cells = {{ side }};
    [Tooltip("Pixels along a side of the picture")] public int pixels = {{ pixels }};
    [Range(1, 64)] public int stepsPerFrame = {{ steps }};
    public int seed = {{ seed }};
    [Tooltip("Radius of the eraser in cells")] public float radius = {{ radius }}f;

    CustomRenderTexture state, picture;
    Material step;
    bool restart = true;

    // The texture, for other materials.
    public Texture Picture => picture;

    void OnEnable()
    {
        step = new Material(shader);
        state = new CustomRenderTexture(
            cells * step.GetInteger("_Columns") + 1, cells * step.GetInteger("_Rows"),
            RenderTextureFormat.ARGBFloat, RenderTextureReadWrite.Linear)
        {
            material = step, shaderPass = 0, doubleBuffered = true,
            updateMode = CustomRenderTextureUpdateMode.OnDemand,
            initializationColor = Color.clear,
            filterMode = FilterMode.Point, wrapMode = TextureWrapMode.Clamp
        };
        picture = new CustomRenderTexture(pixels, pixels, RenderTextureFormat.ARGB32)
        {
            material = new Material(shader), shaderPass = 1,
            updateMode = CustomRenderTextureUpdateMode.OnDemand,
            filterMode = FilterMode.Bilinear, wrapMode = TextureWrapMode.Repeat
        };
        picture.material.SetTexture("_State", state);
        GetComponent<Renderer>().material.mainTexture = picture;
        state.Initialize();
        restart = true;
    }

    void OnDisable()
    {
        Destroy(picture.material);
        Destroy(step);
        state.Release();
        picture.Release();
    }

    public void Restart() => restart = true;

    void Update()
    {
        step.SetInteger("_Seed", seed);
        step.SetFloat("_Restart", restart ? 1f : 0f);
        step.SetVector("_Brush", Brush());
        state.Update(restart ? 1 : stepsPerFrame * step.GetInteger("_Passes"));
        picture.Update();
        restart = false;
    }

    Vector4 Brush()
    {
        RaycastHit hit;
        bool touches = Input.GetMouseButton(0) && Camera.main != null
            && Physics.Raycast(Camera.main.ScreenPointToRay(Input.mousePosition), out hit)
            && hit.transform == transform;
        if (!touches) return Vector4.zero;
        return new Vector4(hit.textureCoord.x * cells, (1f - hit.textureCoord.y) * cells, radius, 0f);
    }
}
